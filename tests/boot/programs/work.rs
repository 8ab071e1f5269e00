// SPDX-License-Identifier: GPL-2.0-or-later
//
// work.rs - threads, channels, maps, wide integers, and panics that unwind. Prints what it computed.
use std::collections::{BTreeMap, HashMap};
use std::sync::{mpsc, Arc, Mutex};
use std::{panic, thread};

fn floats(n: usize) -> f64 {
    let (mut x, mut sum) = (0.5f64, 0.0);
    for _ in 0..n {
        x = 3.9 * x * (1.0 - x);
        sum += (x + 1.0).sqrt();
    }
    sum
}

fn counted(threads: usize, each: u64) -> (u64, u64) {
    let total = Arc::new(Mutex::new(0));
    let (sender, receiver) = mpsc::channel();
    for number in 0..threads as u64 {
        let (total, sender) = (Arc::clone(&total), sender.clone());
        thread::spawn(move || {
            for i in 0..each {
                *total.lock().unwrap() += i;
            }
            sender.send(number).unwrap();
        });
    }
    drop(sender);
    let finished = receiver.iter().sum();
    let total = *total.lock().unwrap();
    (total, finished)
}

fn words(n: u32) -> (usize, String) {
    let mut counts = HashMap::new();
    for i in 0..n {
        *counts.entry(i.wrapping_mul(2654435761) >> 20).or_insert(0u32) += 1;
    }
    let sorted: BTreeMap<_, _> = counts.iter().collect();
    (sorted.len(), sorted.iter().take(3).map(|(k, v)| format!("{k}:{v} ")).collect())
}

fn powers(n: u32) -> u128 {
    (1..n).fold(1u128, |p, i| p.wrapping_mul(0x9E3779B97F4A7C15F39CC0605CEDC835) ^ i as u128)
}

fn main() {
    panic::set_hook(Box::new(|_| ()));
    println!("{:.6}", floats(1000000));
    println!("{:?} {:?} {:x}", counted(8, 20000), words(200000), powers(100000));
    let panics = (0..200usize).filter(|i| panic::catch_unwind(|| [1, 2, 3][*i % 5]).is_err()).count();
    println!("{panics}");
}

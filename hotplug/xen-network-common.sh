# SPDX-License-Identifier: GPL-2.0-or-later
#
# xen-network-common.sh - bridges and interfaces by iproute2, for the network-* and vif-*
# scripts. Names are those of Xen's file, so that scripts which source it find them.
# shellcheck shell=sh

# Not by /sys, which shows the network namespace that it was mounted in.
is_bridge()
{
    ip -o link show type bridge 2>/dev/null | cut -d ' ' -f 2 | tr '@:' '  ' |
        grep -q "^$1 "
}

link_exists()
{
    ip link show dev "$1" >/dev/null 2>&1
}

# link_word DEVICE WORD: what stands behind a word (mtu, master, link/ether...) in its description.
link_word()
{
    ip -o link show dev "$1" 2>/dev/null |
        awk -v word="$2" '{ for (i = 1; i < NF; i++) if ($i == word) { print $(i + 1); exit } }'
}

# The oldest bridge of this host, or nothing.
first_bridge()
{
    ip -o link show type bridge 2>/dev/null | sed -n '1s/^[0-9]*: \([^:@]*\).*/\1/p'
}

# The interface of the default route, or nothing.
default_device()
{
    ip -o route show default 2>/dev/null | sed -n '1s/.* dev \([^ ]*\).*/\1/p'
}

# dom0_ip DEVICE: its first IPv4 address without the prefix.
dom0_ip()
{
    ip -o -4 addr show dev "$1" scope global 2>/dev/null | awk 'NR == 1 { sub("/.*", "", $4); print $4 }'
}

# A bridge without spanning tree that forwards from the first moment.
create_bridge()
{
    is_bridge "$1" && return 0
    ip link add name "$1" type bridge stp_state 0 forward_delay 0
    # Set, so that it does not change with the ports.
    ip link set dev "$1" address "$(link_word "$1" link/ether)"
}

# A port has no address of its own. Its MAC address must not become the bridge's, which takes
# the lowest.
setup_bridge_port()
{
    ip link set dev "$1" down
    ip link set dev "$1" address fe:ff:ff:ff:ff:ff
    ip addr flush dev "$1"
}

setup_virtual_bridge_port()
{
    setup_bridge_port "$1"
}

setup_physical_bridge_port()
{
    setup_bridge_port "$1"
}

# add_to_bridge BRIDGE DEVICE
add_to_bridge()
{
    ip link set dev "$2" master "$1"
    ip link set dev "$2" up
}

# remove_from_bridge BRIDGE DEVICE
remove_from_bridge()
{
    do_if_there "$2" nomaster
    do_if_there "$2" down
}

do_if_there()
{
    if link_exists "$1"; then
        ip link set dev "$@"
    fi
}

# set_sysctl PATH VALUE: below /proc/sys; only a value that is not there yet is written.
set_sysctl()
{
    [ "$(cat "/proc/sys/$1" 2>/dev/null)" = "$2" ] && return 0
    echo "$2" >"/proc/sys/$1" || fatal "cannot set /proc/sys/$1 to $2"
}

# ignore_routers DEVICE: whoever is behind it cannot become the host's own IPv6 router.
ignore_routers()
{
    accept_ra=/proc/sys/net/ipv6/conf/$1/accept_ra
    if [ -e "$accept_ra" ] && [ "$(cat "$accept_ra")" != 0 ]; then
        echo 0 >"$accept_ra" || log warning "$1: guests can announce themselves as IPv6 routers to this host"
    fi
}

# Rules are made and removed with the same words: firewall TABLE -A|-I|-D CHAIN RULE...
firewall()
{
    firewall_table=$1
    shift
    iptables -w 10 -t "$firewall_table" "$@"
}

have_iptables()
{
    have iptables && iptables -w 10 -n -L FORWARD >/dev/null 2>&1
}

# --- moving a host's addresses ------------------------------------------------------------------

# save_addresses DEVICE FILE: addresses and routes of an interface as commands for
# restore_addresses. What the kernel adds by itself is left out.
save_addresses()
{
    for family in 4 6; do
        ip -o "-$family" addr show dev "$1" scope global | while read -r _ _ _ address rest; do
            case $rest in
            *brd*) echo "-$family addr add $address brd + dev DEVICE" ;;
            *) echo "-$family addr add $address dev DEVICE" ;;
            esac
        done
        # Routes without a gateway first: the others need them.
        ip "-$family" route show dev "$1" | grep -v 'proto kernel\|^fe80::' | sort -k 2,2 |
            awk '/ via / { later[++n] = $0; next } { print } END { for (i = 1; i <= n; i++) print later[i] }' |
            while read -r route; do
                # shellcheck disable=SC2086 # words
                echo "-$family route replace $(printf '%s ' $route | sed 's/ linkdown//g') dev DEVICE"
            done
    done >"$2"
}

# restore_addresses DEVICE FILE
restore_addresses()
{
    while read -r words; do
        # shellcheck disable=SC2046 # words
        ip $(echo "$words" | sed "s/DEVICE\$/$1/") || log err "cannot restore: ip $words ($1)"
    done <"$2"
}

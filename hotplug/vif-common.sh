# SPDX-License-Identifier: GPL-2.0-or-later
#
# vif-common.sh - what the vif-* scripts share. Sourced, it checks how the script was called
# and leaves: `command` (online, offline, add, remove), `dev` and `vif` (the interface), `ip`
# (addresses and networks the guest may use, separated by blanks), `mac`, `domid`, `devid`.
#
# What a guest may send is limited where its frames come in, before bridge and routes see them:
# a chain of nftables' netdev family per interface. The rules of iptables that Xen's scripts
# made are there, too, for hosts whose FORWARD chain drops what nobody allows.
# shellcheck shell=sh

# shellcheck source-path=SCRIPTDIR source=xen-hotplug-common.sh
. "${dir:-$(dirname "$0")}/xen-hotplug-common.sh"
# shellcheck source-path=SCRIPTDIR source=xen-network-common.sh
. "${dir:-$(dirname "$0")}/xen-network-common.sh"

antispoof=${antispoof:-}
findCommand "$@" || fatal "Usage: $0 online|offline|add|remove [NAME=VALUE]..."
evalVariables "$@"
case $command in
online | offline | add | remove) ;;
*) fatal "Invalid command: $command" ;;
esac

dev=${vif:-${INTERFACE:-}}
[ -n "$dev" ] || fatal "Neither vif nor INTERFACE names an interface"
vif=$dev
domid=${XENBUS_PATH%/*}
domid=${domid##*/}
# shellcheck disable=SC2034 # for who sources this
devid=${XENBUS_PATH##*/}
ip=$(xenstore_read_default "$XENBUS_PATH/ip" "${ip:-}" | tr ',' ' ')
mac=$(xenstore_read_default "$XENBUS_PATH/mac" "${mac:-}")
mtu=$(xenstore_read_default "$XENBUS_PATH/mtu" '')
# Both become part of rules.
case $ip in
*[!0-9A-Fa-f.:/\ ]*) fatal "ip=$ip: only addresses and networks may stand there, with blanks between" ;;
esac
case $mac in
*[!0-9A-Fa-f:]*) fatal "mac=$mac is no address" ;;
esac

# set_mtu DEFAULT: the largest packet, as the vif has it, or else this; '' leaves it.
set_mtu()
{
    [ -z "${mtu:-$1}" ] || ip link set dev "$dev" mtu "${mtu:-$1}"
}

# What network-bridge antispoof=yes said holds for all interfaces that do not say otherwise.
if [ -z "$antispoof" ] && [ -e "$XEN_HOTPLUG_DIR/antispoof" ]; then
    antispoof=yes
fi

is_up()
{
    [ "$command" = online ] || [ "$command" = add ]
}

# --- iptables -----------------------------------------------------------------------------------

# frob_iptable RULE...: allow what comes from the guest and matches. A rule that is there twice
# goes altogether.
frob_iptable()
{
    if is_up; then
        iptables -w 10 -I FORWARD "$@" -j ACCEPT ||
            log err "iptables setup failed. This may affect guest networking."
    else
        while iptables -w 10 -D FORWARD "$@" -j ACCEPT 2>/dev/null; do :; done
    fi
}

# handle_iptable bridged|routed: rules in FORWARD as xend had them. On bridges they need
# net.bridge.bridge-nf-call-iptables, and alone they forbid nothing.
handle_iptable()
{
    have_iptables || return 0
    if [ "$1" = bridged ]; then
        from="-m physdev --physdev-is-bridged --physdev-in $dev"
        to="-m physdev --physdev-is-bridged --physdev-out $dev"
    else
        from="-i $dev"
        to="-o $dev"
    fi
    claim_lock iptables
    # shellcheck disable=SC2086 # words
    {
        for address in $ip; do
            case $address in
            *:*) ;;
            *) frob_iptable $from -s "$address" ;;
            esac
        done
        if [ -n "$ip" ]; then
            frob_iptable $from -p udp --sport 68 --dport 67
        else
            frob_iptable $from
        fi
        frob_iptable $to
    }
    release_lock iptables
}

# --- what a guest may send ----------------------------------------------------------------------

limit_chain()
{
    printf 'vif_%s' "$dev" | tr -c 'A-Za-z0-9_' '_'
}

# addresses 4|6: those of `ip` of one family, one a line.
addresses()
{
    for address in $ip; do
        case $1:$address in
        6:*:*:*) echo "$address" ;;
        4:*:*) ;;
        4:*) echo "$address" ;;
        esac
    done
}

# A list as nftables spells it, each word behind a comma.
comma_list()
{
    sed 's/^/, /' | tr -d '\n'
}

# Lines ADDRESS[/LEN] to "BITS 0xVALUE": the leading bits of an IPv6 address (whole digits) as a
# number. nft 1.0.6 has no name for the address in a neighbour advertisement.
leading_bits()
{
    awk -F/ '{
        length_given = $2 == "" ? 128 : $2
        halves = split($1, half, "::")
        left = split(half[1], l, ":")
        right = halves > 1 ? split(half[2], r, ":") : 0
        digits = ""
        for (i = 1; i <= 8; i++) {
            group = i <= left ? l[i] : i > 8 - right ? r[i - 8 + right] : "0"
            digits = digits substr("0000" group, length(group) + 1)
        }
        count = int(length_given / 4)
        if (count > 0)
            print count * 4, "0x" substr(digits, 1, count)
    }'
}

# Frames from other addresses, and from none but to ask for one (0.0.0.0, ::).
address_rules()
{
    rule="add rule netdev xen $1"
    echo "$rule ip saddr 0.0.0.0 udp dport 67 accept"
    four=$(addresses 4 | comma_list)
    if [ -n "$four" ]; then
        echo "$rule ip saddr != { ${four#, } } counter drop"
    else
        echo "$rule ether type ip counter drop"
    fi
    echo "$rule arp saddr ip != { 0.0.0.0$four } counter drop"
    echo "$rule ip6 saddr != { ::, fe80::/10$(addresses 6 | comma_list) } counter drop"
    { echo fe80::/8 && addresses 6; } | leading_bits | while read -r bits value; do
        echo "$rule icmpv6 type nd-neighbor-advert @th,64,$bits $value accept"
    done
    echo "$rule icmpv6 type nd-neighbor-advert counter drop"
    # Tagged frames and other protocols would go around all that.
    echo "$rule ether type != { ip, ip6, arp } counter drop"
}

limit_rules()
{
    rule="add rule netdev xen $1"
    echo "add table netdev xen"
    echo "add chain netdev xen $1 { type filter hook ingress device \"$dev\" priority -300; }"
    echo "flush chain netdev xen $1"
    echo "$rule ether saddr != $mac counter drop"
    echo "$rule ether type arp arp saddr ether != $mac counter drop"
    echo "$rule udp sport 67 counter drop"
    echo "$rule icmpv6 type nd-router-advert counter drop"
    if [ -n "$ip" ]; then
        address_rules "$1"
    fi
}

# A guest with `ip`, or any with antispoof=yes, sends from its own MAC address only, and is no
# DHCP server or router; with `ip` also from these addresses only. antispoof=no: no limits.
limit_guest()
{
    [ "$antispoof" != no ] || return 0
    [ -n "$ip" ] || [ "$antispoof" = yes ] || return 0
    [ -n "$mac" ] || fatal "No mac in $XENBUS_PATH: what the guest may send cannot be limited"
    have nft || fatal "nft is not installed (Debian package nftables): what the guest may send cannot be limited; antispoof=no goes without"
    limit_rules "$(limit_chain)" | nft -f - || fatal "nft refuses the limits for $dev: ip=$ip mac=$mac"
}

unlimit_guest()
{
    # Gone with the interface, if that was first.
    if have nft; then
        nft delete chain netdev xen "$(limit_chain)" 2>/dev/null || true
    fi
}

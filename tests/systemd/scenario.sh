#!/usr/bin/env bash
# What an operator does with the service, under a real systemd: run by tests/systemd/boot.sh inside its container.
# Each command is shown with what it says; the first expectation that is not met ends the scenario.
set -uo pipefail
export PATH=$PATH:/usr/local/bin SYSTEMD_PAGER= SYSTEMD_COLORS=0 LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(echo /opt/turnserver/coturn/usr/lib/*-linux-gnu)
# An address for clients that is not loopback, which relayed addresses are not opened on.
host=10.77.0.1
config=/etc/turnserver/turnserver.toml

section() {
    printf '\n=== %s\n' "$*"
}

# Shows a command and what it says.
show() {
    printf '# %s\n' "$*"
    eval "$@" 2>&1
}

fail() {
    printf 'FAILED: %s\n' "$*"
    journalctl -u turnserver --no-pager -n 40
    exit 1
}

expect() {
    local what=$1
    shift
    eval "$@" >/dev/null 2>&1 || fail "$what: $*"
    printf 'ok: %s\n' "$what"
}

# Waits for what other processes do; bounded, and the time it took is told.
await() {
    local what=$1 seconds=$2 began=$SECONDS
    shift 2
    until eval "$@" >/dev/null 2>&1; do
        [ $((SECONDS - began)) -lt "$seconds" ] || fail "$what: not within $seconds s"
        sleep 0.2
    done
    printf 'ok: %s, after %s s\n' "$what" $((SECONDS - began))
}

pid() {
    systemctl show -p MainPID --value turnserver
}

secret() {
    cat /var/lib/turn/turn.secret
}

uclient() {
    timeout 60 /opt/turnserver/coturn/usr/bin/turnutils_uclient -u operator -W "$(secret)" "$@" "$host"
}

# Every message that was sent comes back through two relayed addresses.
relays() {
    local said
    said=$(uclient -y -c -s -n 20 -m 2 "$@" 2>&1)
    grep -E 'tot_send_bytes|Total lost' <<<"$said"
    grep -qE 'Total lost packets 0 \(0\.0+%\)' <<<"$said"
}

# What a load balancer asks.
readiness() {
    exec 3<>/dev/tcp/127.0.0.1/9641
    printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
    cat <&3
    exec 3>&-
}

# Over channels, whose numbers are above 0x4FFF.
relays_channels() {
    local said
    said=$(uclient -y -c -n 20 -m 2 2>&1)
    grep -qE 'Total lost packets 0 \(0\.0+%\)' <<<"$said"
}

# Holds two allocations, with data through them, until it is ended.
hold() {
    uclient -y -c -s -n 100000 -m 1 >/dev/null 2>&1 &
    holder=$!
    await "a client relays" 10 'ss -Hun | grep -q .' || return
    sleep 2
}

let_go() {
    kill "$holder" 2>/dev/null
    wait "$holder" 2>/dev/null
}

install_it() {
    section "install"
    show systemctl --version '| head -1'
    show systemd/install.sh ./turnserver
    show systemd/install.sh ./turnserver '>/dev/null && echo again: fine'
    show id turnserver
    show ls -ld /usr/local/bin/turnserver /usr/local/lib/systemd/system/turnserver.service /etc/turnserver "$config"
    show systemctl cat turnserver '| grep -E "^(# /|Type|ExecStart|User|WatchdogSec)"'
    show install -m 0644 systemd/60-turnserver.sysctl.conf /etc/sysctl.d/60-turnserver.conf
    # A container may not set what belongs to the host; what belongs to its own network it may.
    show sysctl --system '| grep -A9 60-turnserver'
    expect "relay ports are reserved" 'grep -q 49152-65535 /proc/sys/net/ipv4/ip_local_reserved_ports'
}

start() {
    section "start"
    ip address add "$host/24" dev lo
    echo "$host turn.test" >>/etc/hosts
    show systemctl enable --now turnserver
    show systemctl status turnserver --no-pager
    expect "it is active" systemctl is-active turnserver
    expect "a load balancer is told that it is ready" 'readiness | grep -q "^HTTP/1.. 200"'
    expect "ready was said by the server" '[ "$(systemctl show -p Type --value turnserver)" = notify ]'
    expect "it tells its status" 'systemctl show -p StatusText --value turnserver | grep -q .'
    show ls -la /var/lib/turn
    expect "state is its own alone" '[ "$(stat -c %a-%U /var/lib/turn)" = 700-turnserver ]'
    show grep -E '"^(Uid|Groups|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):"' '/proc/$(pid)/status'
    expect "no capability" 'grep -qx "CapEff:.0000000000000000" /proc/$(pid)/status'
    show grep '"open files"' '/proc/$(pid)/limits'
    show systemd-analyze security turnserver --no-pager '| tail -1'
}

relay() {
    section "relay"
    expect "coturn's client relays over UDP" relays
    relays
    expect "coturn's client relays over TCP" relays -t
    show turnserver probe "'turn:$host:3478?transport=udp'" -u operator -W '"$(secret)"'
    show systemctl show -p StatusText --value turnserver
    show journalctl -u turnserver --no-pager -o short-iso -n 12
}

# The block of code, or of indented lines, of a document that holds a word.
block() {
    awk -v word="$2" '
        /^```/ { fence = !fence; if (!fence && found) { printf "%s", text; exit } text = ""; next }
        fence { text = text $0 "\n"; if (index($0, word)) found = 1; next }
        /^    / { sub(/^    /, ""); text = text $0 "\n"; if (index($0, word)) found = 1; next }
        { if (found) { printf "%s", text; exit } text = "" }
    ' "$1"
}

documents() {
    section "credentials, as documented"
    block docs/operations.md 'openssl dgst' | sed "s/turn.example.org/$host/" >/tmp/credential.sh
    show cat /tmp/credential.sh
    show bash -e /tmp/credential.sh
    expect "a credential made in a shell is good" bash -e /tmp/credential.sh

    section "firewall, as documented"
    block docs/firewall.md 'table inet' >/etc/turnserver/firewall.nft
    # Loopback passes any firewall, so the client gets a host of its own.
    ip netns add client
    ip link add outside type veth peer name inside netns client
    ip address add 10.78.0.1/24 dev outside
    ip link set outside up
    ip -n client address add 10.78.0.2/24 dev inside
    ip -n client link set inside up
    show systemctl restart turnserver
    expect "the rules are good" nft -c -f /etc/turnserver/firewall.nft
    show nft -f /etc/turnserver/firewall.nft
    for transport in udp tcp; do
        show ip netns exec client turnserver probe "'turn:10.78.0.1:3478?transport=$transport'" -u operator \
            -W '"$(secret)"' '| grep -E "relayed|trip|^ok"'
        expect "$transport passes the firewall" ip netns exec client turnserver probe \
            "'turn:10.78.0.1:3478?transport=$transport'" -u operator -W '"$(secret)"'
    done
    show nft delete rule inet turnserver input handle \
        '$(nft -a list chain inet turnserver input | sed -n "s/.*udp dport.*handle //p")'
    expect "without its rule UDP does not" '! timeout 10 ip netns exec client turnserver probe --timeout 2 \
        turn:10.78.0.1:3478 -u operator -W "$(secret)"'
    show nft delete table inet turnserver

    section "behind a NAT, as documented"
    sed -i 's|^#external-ip = .*|external-ip = ["203.0.113.5/10.78.0.1"]|' "$config"
    show systemctl restart turnserver
    show ip netns exec client turnserver probe turn:10.78.0.1:3478 -u operator -W '"$(secret)"' '>/tmp/probed; cat /tmp/probed'
    expect "relayed addresses are the public one" 'grep -c "relayed 203.0.113.5:" /tmp/probed | grep -qx 2'
    expect "two clients of the server reach each other" 'tail -1 /tmp/probed | grep -qx ok'
    sed -i 's|^external-ip|#external-ip|' "$config"
    ip netns delete client
    show systemctl restart turnserver
}

reload() {
    section "reload"
    hold
    local before
    before=$(pid)
    sed -i 's/^#user-quota = .*/user-quota = 50/' "$config"
    show systemctl reload turnserver
    expect "the same process serves" '[ "$(pid)" = '"$before"' ] && systemctl is-active turnserver'
    echo 'user-quotaa = 3' >>"$config"
    expect "a reload of a broken file fails" '! systemctl reload turnserver'
    expect "a broken file changes nothing" '[ "$(pid)" = '"$before"' ] && systemctl is-active turnserver'
    expect "the journal says what is wrong" 'journalctl -u turnserver --no-pager -n 20 | grep -q user-quotaa'
    sed -i '/^user-quotaa/d' "$config"
    show systemctl reload turnserver
    show journalctl -u turnserver --no-pager -o cat -n 8
    expect "the client was not disturbed" kill -0 "$holder"
    let_go
}

certificates() {
    section "certificates, by certbot's hook"
    sed "s/turn.example.org/first/" systemd/certbot-deploy-hook >/tmp/hook
    chmod +x /tmp/hook
    show RENEWED_LINEAGE=/opt/turnserver/first /tmp/hook
    show ls -la /etc/turnserver/tls
    sed -i 's|^#cert = .*|cert = "/etc/turnserver/tls/fullchain.pem"|; s|^#pkey = .*|pkey = "/etc/turnserver/tls/privkey.pem"|' \
        "$config"
    show systemctl restart turnserver
    show turnserver probe turns:turn.test:5349 -u operator -W '"$(secret)"' --ca first/fullchain.pem
    expect "TLS is served" turnserver probe turns:turn.test:5349 -u operator -W '"$(secret)"' --ca first/fullchain.pem
    # The renewed one comes under the same name.
    cp second/*.pem first/
    show RENEWED_LINEAGE=/opt/turnserver/first /tmp/hook
    await "the renewed certificate is served without a reload" 15 \
        turnserver probe turns:turn.test:5349 -u operator -W '"$(secret)"' --ca second/fullchain.pem
    show RENEWED_LINEAGE=/opt/turnserver/second /tmp/hook
    expect "another certificate's renewal is left alone" cmp first/fullchain.pem /etc/turnserver/tls/fullchain.pem
}

credentials() {
    section "certificates, by credentials"
    install -d -m 0700 /etc/letsencrypt/live/turn.example.org
    install -m 0600 second/*.pem /etc/letsencrypt/live/turn.example.org/
    sed -i 's|^cert = .*|#cert|; s|^pkey = .*|#pkey|' "$config"
    drop_in tls-credentials.conf
    show systemctl restart turnserver
    expect "TLS is served with a key of root's" \
        turnserver probe turns:turn.test:5349 -u operator -W '"$(secret)"' --ca second/fullchain.pem
    no_drop_in tls-credentials.conf
}

drop_in() {
    show install -D -m 0644 "systemd/$1" "/etc/systemd/system/turnserver.service.d/$1"
    systemctl daemon-reload
}

no_drop_in() {
    rm "/etc/systemd/system/turnserver.service.d/$1"
    systemctl daemon-reload
}

watchdog() {
    section "watchdog"
    systemctl restart turnserver
    local before
    before=$(pid)
    # Longer than the watchdog, to see that it is fed.
    sleep 25
    expect "it is fed" '[ "$(pid)" = '"$before"' ]'
    show kill -STOP '$(pid)'
    await "a server that hangs is replaced" 40 '[ "$(pid)" != '"$before"' ] && systemctl is-active turnserver'
    show systemctl show -p NRestarts turnserver
    show journalctl -u turnserver --no-pager -o cat -n 30 '| grep -iE "watchdog|signal|restart"'
    expect "it was the watchdog" 'journalctl -u turnserver --no-pager -n 40 | grep -qi "watchdog timeout"'
    before=$(pid)
    show kill -KILL '$(pid)'
    await "one that was killed is replaced" 10 '[ "$(pid)" != '"$before"' ] && systemctl is-active turnserver'
    expect "and relays" relays
}

drain() {
    section "drain"
    hold
    show systemctl kill -s USR1 turnserver
    await "it says so" 10 'systemctl show -p StatusText --value turnserver | grep -i drain'
    expect "it goes on serving" systemctl is-active turnserver
    expect "a load balancer is told that it is not ready" 'readiness | grep -q "^HTTP/1.. 503"'
    show readiness
    show systemctl show -p StatusText --value turnserver
    show turnserver probe "'turn:$host:3478?transport=udp'" -u operator -W '"$(secret)"'
    expect "new allocations are refused" '! turnserver probe turn:'"$host"':3478 -u operator -W "$(secret)"'
    expect "the client of before is served" kill -0 "$holder"
    let_go
    # The client tells nobody that it went: its allocations end by themselves, after ten minutes at most.
    show systemctl restart turnserver
    # coturn's client leaves one of its allocations behind; ours takes all of them down.
    turnserver probe "turn:$host:3478" -u operator -W "$(secret)" -n 20000 >/tmp/probed 2>&1 &
    local probing=$!
    sleep 1
    show systemctl kill -s USR1 turnserver
    expect "it was draining before the client was done" kill -0 "$probing"
    wait "$probing" || fail "the client lost something: $(cat /tmp/probed)"
    show grep trip /tmp/probed
    await "with the last allocation it ends" 20 '! systemctl is-active turnserver'
    show systemctl show -p Result,ExecMainStatus,ActiveState turnserver
    expect "with success, and is not started again" '[ "$(systemctl show -p ActiveState,Result --value turnserver | xargs)" = "success inactive" ]'
    show journalctl -u turnserver --no-pager -o cat -n 8
    echo 'drain-timeout = 3' >>"$config"
    show systemctl start turnserver
    hold
    show systemctl kill -s USR1 turnserver
    await "at drain-timeout it ends all the same" 10 '! systemctl is-active turnserver'
    let_go
    show systemctl show -p Result,ExecMainStatus,ActiveState turnserver
    sed -i '/^drain-timeout/d' "$config"
    show systemctl start turnserver
}

stop() {
    section "stop"
    hold
    local began
    began=$(date +%s%3N)
    show systemctl stop turnserver
    local took=$(($(date +%s%3N) - began))
    expect "stopped within 5 s: $took ms" "[ $took -lt 5000 ]"
    let_go
    show systemctl show -p Result,ExecMainStatus,ActiveState turnserver
    show journalctl -u turnserver --no-pager -o cat -n 6
}

sockets() {
    section "inherited sockets, also below 1024"
    sed -i "s/^#listening-ip = .*/listening-ip = [\"$host\"]/; s/^#relay-threads = .*/relay-threads = 2/" "$config"
    sed -i 's/^#listening-port = .*/listening-port = 443/' "$config"
    show sed "'s/192.0.2.1:3478/$host:443/; s/192.0.2.1:/$host:/'" systemd/turnserver.socket \
        '>/etc/systemd/system/turnserver.socket'
    systemctl daemon-reload
    show systemctl stop turnserver
    show systemctl enable turnserver.socket
    show systemctl start turnserver
    show systemctl status turnserver.socket --no-pager
    show journalctl -u turnserver --no-pager -o cat -n 8
    expect "the server took them over" 'journalctl -u turnserver --no-pager -n 20 | grep -q "listening on inherited sockets"'
    expect "they relay over UDP" relays -p 443
    expect "they relay over TCP" relays -t -p 443
    show grep -E '"^CapEff:"' '/proc/$(pid)/status'
    show systemctl restart turnserver
    expect "a restart takes them over again" relays -p 443
    show systemctl disable turnserver.socket
    show systemctl stop turnserver.socket turnserver
    rm /etc/systemd/system/turnserver.socket
    systemctl daemon-reload

    section "ports below 1024"
    drop_in low-ports.conf
    show systemctl start turnserver
    expect "443 is served" turnserver probe "turn:$host:443?transport=tcp" -u operator -W '"$(secret)"'
    show grep -E '"^Cap(Eff|Bnd|Amb):"' '/proc/$(pid)/status'
    expect "one capability and no other" 'grep -qx "CapBnd:.0000000000000400" /proc/$(pid)/status'
    systemctl stop turnserver
    no_drop_in low-ports.conf
    sed -i 's/^listening-port = .*/#listening-port = 3478/' "$config"
}

coturns_file() {
    section "coturn's file, and what it is converted to"
    # The active lines of Debian's, and a secret.
    printf '%s\n' syslog no-rfc5780 no-stun-backward-compatibility response-origin-only-with-rfc5780 \
        realm=example.org use-auth-secret "static-auth-secret=$(secret)" >/etc/turnserver.conf
    chown root:turnserver /etc/turnserver.conf
    chmod 0640 /etc/turnserver.conf
    show turnserver check /etc/turnserver.conf
    mkdir -p /etc/systemd/system/turnserver.service.d
    block docs/install.md 'another configuration' | tee /etc/systemd/system/turnserver.service.d/override.conf
    systemctl daemon-reload
    show systemctl restart turnserver
    # Channel numbers above 0x4FFF: coturn's own client, as it comes.
    expect "coturn's client relays over channels" relays_channels
    cp "$config" /tmp/config.before
    block docs/coturn.md 'turnserver convert' >/tmp/convert.sh
    show bash -ex /tmp/convert.sh
    show systemctl revert turnserver
    show systemctl restart turnserver
    show ls -l /etc/turnserver
    expect "the converted file serves the same" relays_channels
    cat /tmp/config.before >"$config"
}

refusals() {
    section "a configuration that cannot be used"
    systemctl stop turnserver
    echo 'listening-portt = 3' >>"$config"
    show timeout 15 systemctl start turnserver
    expect "the journal says what is wrong" 'journalctl -u turnserver --no-pager -n 20 | grep -q listening-portt'
    show journalctl -u turnserver --no-pager -o cat -n 6
    sed -i '/^listening-portt/d' "$config"
    await "it comes back when that is repaired" 15 systemctl is-active turnserver
    systemctl stop turnserver
}

for part in ${PARTS:-install_it start relay documents reload certificates credentials watchdog drain stop sockets coturns_file refusals}; do
    "$part"
done
section "all as it should be, after $SECONDS s"

#!/usr/bin/env bash
# A Docker engine of its own, and images in place of those that no registry gives here.
#     engine.sh up FOLDER         start the engine, make the images (those that are there are kept)
#     engine.sh down FOLDER       stop the engine, as it found the firewall; its data stays in FOLDER
# Needs root and Debian's docker.io, iptables and debootstrap, and no other engine at work: each rewrites the
# firewall's chains of the other.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$here/../..
work=$(mkdir -p "$2" && cd "$2" && pwd)
export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=1 PATH=/usr/bin:/usr/sbin:$PATH # Debian's client has BuildKit in it

answers() { docker version >/dev/null 2>&1; }
has() { docker image inspect "$1" >/dev/null 2>&1; }

start() {
    answers && return
    rm -f "$work/docker.pid"
    iptables-save >"$work/firewall"
    mtu=$(cat "/sys/class/net/$(ip route show default | awk '{print $5; exit}')/mtu")
    setsid dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
        --pidfile "$work/docker.pid" --mtu "$mtu" >"$work/dockerd.log" 2>&1 &
    for _ in {1..60}; do answers && return; sleep 1; done
    tail -n 20 "$work/dockerd.log" >&2
    return 1
}

debian() { # with this machine's certificates and pip's settings, so that the same indexes are reached
    local root=$work/debian
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates,curl "$(. /etc/os-release && echo "$VERSION_CODENAME")" \
        "$root" >"$work/debootstrap.log" 2>&1
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
    chroot "$root" update-ca-certificates >/dev/null 2>&1
    tar -C "$root" -c . | docker import --change "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt" \
        --change 'CMD ["bash"]' - recsys-stand-in/debian >/dev/null
    rm -rf "$root"
}

python() { # the one that runs the tests, copied to /usr/python
    local from context=$work/python
    from=$("$project/.venv/bin/python" -c 'import sys; print(sys.base_prefix)')
    rm -rf "$context" && mkdir "$context"
    if [[ $from == /usr ]]; then
        printf '%s\n' 'FROM recsys-stand-in/debian' \
            'RUN apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv && ln -s /usr /usr/python' \
            >"$context/Dockerfile"
    else
        mkdir "$context/python"
        tar -C "$from" -c --exclude='lib/python3*/'{test,idlelib,tkinter,site-packages,'config-*'} --exclude=__pycache__ . |
            tar -C "$context/python" -x
        printf '%s\n' 'FROM recsys-stand-in/debian' \
            'RUN apt-get update && apt-get install --yes --no-install-recommends libssl3 libffi8 libsqlite3-0 libbz2-1.0 liblzma5 libreadline8 libncursesw6 zlib1g libexpat1' \
            'COPY python /usr/python' 'RUN echo /usr/python/lib > /etc/ld.so.conf.d/python.conf && ldconfig' \
            >"$context/Dockerfile"
    fi
    docker build --quiet --tag recsys-stand-in/python "$context"
    rm -rf "$context"
}

stand_in() { # folder, tag; the engine's cache keeps what has not changed
    local context=$work/context
    rm -rf "$context"
    cp -a "$here/stand_ins/$1" "$context"
    cp "$work/locked.txt" "$context"
    docker build --quiet --tag "$2" "$context"
}

lock() { # the versions that the clone's environment has
    PATH=$project/.venv/bin:$PATH uv export --project "$project" --quiet --frozen --all-extras --all-groups \
        --no-hashes --no-emit-project --no-annotate --no-header >"$work/locked.txt"
}

stop() { # waits, so that the folder can be removed
    [[ -e $work/docker.pid ]] || return 0
    pid=$(<"$work/docker.pid")
    kill "$pid"
    for _ in {1..60}; do
        [[ -e /proc/$pid ]] || { clean; return 0; }
        sleep 0.5
    done
    echo "the engine $pid does not stop" >&2
    return 1
}

clean() { # the bridge and the chains that the engine left
    ip link delete docker0 2>/dev/null || true
    [[ ! -e $work/firewall ]] || iptables-restore <"$work/firewall"
}

case $1 in
    up)
        start
        has recsys-stand-in/debian || debian
        has recsys-stand-in/python || python
        lock
        stand_in postgres postgres:16.15-bookworm
        stand_in store pgsty/silo:RELEASE.2026-09-03T13-18-01Z
        stand_in airflow apache/airflow:3.3.2-python3.12
        stand_in redis redis:7.2-bookworm
        ;;
    down) stop ;;
esac

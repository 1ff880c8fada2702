#!/bin/sh
# Makes the bucket and its two users: one publishes and cannot delete a pointer, one only reads.
# Runs in the store's own image, which has mc and a shell but neither grep nor sed. Running it
# again changes nothing but a user's secret, where .env holds a new one.
set -eu

folder=$(dirname "$0")

is_attached() { # policy, user; reads the one field that names the policies, since a user may be named alike
    answer=$(mc --json admin user info store "$2")
    case $answer in
        *'"policyName":'*) ;;
        *) return 1 ;;
    esac
    names=${answer#*'"policyName":'*'"'}
    case ",${names%%'"'*}," in
        *",$1,"*) true ;;
        *) false ;;
    esac
}

allow() { # policy, user, secret; secrets go in by standard input, since `ps` shows command lines
    mc admin policy create store "$1" "$folder/${1#recsys-}.json"
    printf '%s\n' "$3" | mc admin user add store "$2"
    is_attached "$1" "$2" || mc admin policy attach store "$1" --user "$2"
}

printf '%s\n' "$MINIO_ROOT_PASSWORD" | mc alias set store "$STORE_URL" "$MINIO_ROOT_USER"
mc mb --ignore-existing store/recsys
allow recsys-publisher "$RECSYS_PUBLISHER_KEY" "$RECSYS_PUBLISHER_SECRET"
allow recsys-consumer "$RECSYS_CONSUMER_KEY" "$RECSYS_CONSUMER_SECRET"

# Logs of Airflow's tasks stay a month.
case $(mc ilm rule export store/recsys 2>/dev/null || true) in
    *airflow-logs/*) ;;
    *) mc ilm rule add --expire-days 30 --prefix airflow-logs/ store/recsys ;;
esac

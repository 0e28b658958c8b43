#!/bin/sh
# Write .env, the secrets of docker-compose.yml, once. An existing file is never touched: losing
# UXP_IDENTITY_KEYS would cut every enrolled phone off from its device id.
set -eu

if [ -e .env ]; then
    echo ".env is there already; it stays as it is." >&2
    exit 1
fi

random() {
    od -An -N "$1" -tx1 /dev/urandom | tr -d ' \n'
}

umask 077
cat > .env <<EOF
# Secrets of docker-compose.yml. Keep a copy where your backups are; never commit it.
POSTGRES_PASSWORD=$(random 24)
SECRET_KEY=$(random 40)
UXP_IDENTITY_KEYS=1:$(random 32)
UXP_RECEIPT_KEY=$(random 32)

# The address that people and phones use, and the hosts that the web server answers to.
# 127.0.0.1 must stay among them: the health check asks there.
UXP_PUBLIC_URL=http://127.0.0.1:8000
UXP_ALLOWED_HOSTS=127.0.0.1,localhost
UXP_REGION=eu
EOF
echo "Wrote .env with fresh secrets; docker compose up starts the platform."

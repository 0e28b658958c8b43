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

if ! command -v openssl > /dev/null; then
    echo "openssl is needed once, to make the pair of keys of the spool. Install it." >&2
    exit 1
fi

umask 077
pair=$(mktemp)
trap 'rm -f "$pair"' EXIT
openssl genpkey -algorithm X25519 -outform DER -out "$pair"
last_32_bytes() { # of a key in DER: the key itself (RFC 8410)
    tail -c 32 | od -An -v -tx1 | tr -d ' \n'
}
spool_private=$(last_32_bytes < "$pair")
spool_public=$(openssl pkey -inform DER -in "$pair" -pubout -outform DER | last_32_bytes)

cat > .env <<EOF
# Secrets of docker-compose.yml. Keep a copy where your backups are; never commit it.
POSTGRES_PASSWORD=$(random 24)
SECRET_KEY=$(random 40)
UXP_IDENTITY_KEYS=1:$(random 32)
UXP_RECEIPT_KEY=$(random 32)
UXP_SEALING_KEYS=1:$(random 32)

# The web server seals uploads to the public half; only workers get the other one, which opens them.
UXP_SPOOL_PUBLIC_KEY=1:$spool_public
UXP_SPOOL_KEYS=1:$spool_private

# The address that people and phones use, and the hosts that the web server answers to.
# 127.0.0.1 must stay among them: the health check asks there.
UXP_PUBLIC_URL=http://127.0.0.1:8000
UXP_ALLOWED_HOSTS=127.0.0.1,localhost
UXP_REGION=eu
EOF
echo "Wrote .env with fresh secrets; docker compose up starts the platform."

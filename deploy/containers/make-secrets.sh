#!/bin/sh
# Create the secrets that deploy/compose.yaml passes to its containers: make-secrets.sh FOLDER
# Passwords are created once; delete one from FOLDER/passwords to get a new one. The folder is
# closed to other users of this machine; its files are not, since each container has its own user.
set -eu
folder=$1
umask 022
mkdir -p "$folder/passwords"
chmod 700 "$folder"

password() {
    if [ ! -s "$folder/passwords/$1" ]; then
        od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$folder/passwords/$1"
    fi
    cat "$folder/passwords/$1"
}
write() { printf '%s' "$2" >"$folder/$1"; }
database() { # user, database
    printf 'postgresql+psycopg2://tips_%s:%s@postgres:5432/%s?connect_timeout=10' \
        "$1" "$(password "$1")" "$2"
}

write postgres-password "$(password admin)"
write TIPS_POSTGRES_ADMIN "$(database admin postgres)"
write TIPS_DAGSTER_STORAGE "$(database dagster dagster)"
write TIPS_METRIC_STORE "$(database metrics metrics)"
write TIPS_METRIC_READER "$(database reader metrics)"
write MLFLOW_BACKEND_STORE_URI "$(database mlflow mlflow)"
write AWS_ACCESS_KEY_ID "$(password s3_key)"
write AWS_SECRET_ACCESS_KEY "$(password s3_secret)"
write s3-keys.json "$(printf '{"identities": [{"name": "tips", "credentials": [{"accessKey": "%s",
 "secretKey": "%s"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}' \
    "$(password s3_key)" "$(password s3_secret)")"
write GRAFANA_ADMIN_PASSWORD "$(password grafana)"
write GRAFANA_SECRET_KEY "$(password grafana_key)"
write GRAFANA_POSTGRES_PASSWORD "$(password reader)"
# A person fills these in: the mail server's password, and keys for SNS.
for file in smtp-password aws-credentials; do
    [ -f "$folder/$file" ] || : >"$folder/$file"
done
echo "Secrets are in $folder; Grafana's user admin has the password in $folder/GRAFANA_ADMIN_PASSWORD."

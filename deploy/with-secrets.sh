#!/bin/sh
# Runs a command with each file in /run/secrets as the variable of its name. A variable in compose.yml would be in
# `docker inspect`, and in the environment of every `docker exec`.
#
#   sh with-secrets.sh hotcable cable        /run/secrets/ANYCABLE_SECRET becomes ANYCABLE_SECRET
set -eu
for file in "${SECRETS_FOLDER:-/run/secrets}"/*; do
  [ -f "$file" ] || continue
  # An empty file sets no variable: there is a former key only during a change of keys.
  value=$(cat "$file")
  [ -z "$value" ] || export "${file##*/}=$value"
done
exec "$@"

#!/bin/sh
# The image of the database runs this once, in a new database: the account of Insitu's parts, which owns nothing.
set -eu
psql -X -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<EOF
CREATE ROLE insitu_pages NOLOGIN;
\set service \`cat /run/secrets/service_password\`
CREATE ROLE insitu_service LOGIN PASSWORD :'service';
EOF

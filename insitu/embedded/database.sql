-- Roles and database of Insitu, by psql, because only `store` speaks to the server with a driver. May run any number of times.
\getenv password INSITU_PASSWORD
\getenv service INSITU_SERVICE_PASSWORD
SELECT 'CREATE ROLE insitu LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu') \gexec
ALTER ROLE insitu PASSWORD :'password';
SELECT 'CREATE DATABASE insitu OWNER insitu' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'insitu') \gexec
SELECT 'CREATE ROLE insitu_pages NOLOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_pages') \gexec
GRANT insitu_pages TO insitu;
SELECT 'CREATE ROLE insitu_service' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_service') \gexec
ALTER ROLE insitu_service LOGIN PASSWORD :'service';
GRANT insitu_pages TO insitu_service WITH INHERIT FALSE;

-- For plans of sites, such as a floor of a station, and where devices are on them.

-- A picture as Insitu has drawn it again: the file that somebody sent is not kept, because nobody knows what it holds.
CREATE TABLE site_plan (
    site_plan_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    site_id      int NOT NULL REFERENCES site,
    name         text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    rank         int NOT NULL CHECK (rank BETWEEN -999 AND 999), -- plans are listed by it: floors from below
    image        bytea NOT NULL CHECK (length(image) BETWEEN 1 AND 12000000), -- PNG
    sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    width        int NOT NULL CHECK (width BETWEEN 1 AND 10000),
    height       int NOT NULL CHECK (height BETWEEN 1 AND 10000),
    changed_at   timestamptz NOT NULL,
    changed_by   text NOT NULL,
    UNIQUE (site_id, name)
);

-- Where a deployment is on a plan, in percent of the width from the left and of the height from the top. A device that is deployed
-- elsewhere has another deployment, and no place until somebody gives it one.
CREATE TABLE plan_place (
    deployment_id int PRIMARY KEY REFERENCES deployment ON DELETE CASCADE,
    site_plan_id  int NOT NULL REFERENCES site_plan ON DELETE CASCADE,
    x             float8 NOT NULL CHECK (x BETWEEN 0 AND 100),
    y             float8 NOT NULL CHECK (y BETWEEN 0 AND 100),
    placed_at     timestamptz NOT NULL,
    placed_by     text NOT NULL
);
CREATE INDEX plan_place_by_plan ON plan_place (site_plan_id); -- serves places_of_site
ALTER TABLE plan_place ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON plan_place USING ((SELECT sees_all()) OR deployment_id IN (SELECT deployment_id FROM deployment));

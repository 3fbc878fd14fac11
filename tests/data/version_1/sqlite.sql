BEGIN TRANSACTION;
CREATE TABLE amazon_ae_batches (
    batch_id     TEXT PRIMARY KEY,
    account      TEXT NOT NULL,
    kind         TEXT NOT NULL,
    fence        INTEGER NOT NULL,
    opened_at    INTEGER NOT NULL,
    lease_until  INTEGER NOT NULL,
    feed_id      TEXT,
    submitted_at INTEGER,
    size         INTEGER NOT NULL
);
INSERT INTO "amazon_ae_batches" VALUES('65de7de6428f45b8a1a14f2a169e6a77','A1SANDBOXSELLER/AE','pickup',1,1637226143501000,1637226443501000,NULL,NULL,1);
INSERT INTO "amazon_ae_batches" VALUES('927f98bc7e514e70a74008f0dbeab181','A1SANDBOXSELLER/AE','inventory',1,1637226144001000,1637226444001000,'50000018551',1637226144000000,1);
CREATE TABLE amazon_ae_documents (name TEXT PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO "amazon_ae_documents" VALUES('A1SANDBOXSELLER/developer/SubmitFeed','{"v":1,"now":1637226148501000,"full_at":1637226600000000,"spent":[[1637226000000000,"stock"],[1637226001000000,"pickup"],[1637226143501000,"stock"],[1637226144001000,"urgent"],[1637226148501000,"pickup"]],"open":[],"blocked_until":0}');
INSERT INTO "amazon_ae_documents" VALUES('A1SANDBOXSELLER/AE/feeds','{"v":1,"asked_at":"2021-11-18T09:03:28.429493+00:00","known":[["50000018547","2021-11-18T09:00:01+00:00"],["50000018548","2021-11-18T09:00:01+00:00"],["50000018549","2021-11-18T09:02:23.501000+00:00"],["50000018551","2021-11-18T09:02:24.001000+00:00"]],"states":[["50000018549","inventory","done","_DONE_","2021-11-18T09:02:23+00:00","2021-11-18T09:03:23+00:00"]],"contested":[],"abandoned":[]}');
CREATE TABLE amazon_ae_items (
    id               INTEGER PRIMARY KEY,
    account          TEXT NOT NULL,
    kind             TEXT NOT NULL,
    key              TEXT NOT NULL,
    version          INTEGER NOT NULL,
    state            TEXT NOT NULL,             -- of the newest value: waiting, in_flight, accepted, rejected, unknown
    value            TEXT NOT NULL,             -- the newest value
    urgent           INTEGER NOT NULL,
    reference        TEXT,
    put_at           INTEGER NOT NULL,          -- instants are microseconds since 1970, UTC
    batch_id         TEXT,                      -- the batch in flight, with the value that it carries
    flight_version   INTEGER,
    flight_value     TEXT,
    flight_put_at    INTEGER,
    accepted_version INTEGER,
    accepted_value   TEXT,
    accepted_at      INTEGER,
    in_doubt         INTEGER NOT NULL,          -- Amazon may hold another value than the last accepted one
    code             TEXT NOT NULL,
    message          TEXT NOT NULL,
    UNIQUE (account, kind, key)
);
INSERT INTO "amazon_ae_items" VALUES(1,'A1SANDBOXSELLER/AE','inventory','ACCEPTED-1',1,'accepted','{"quantity":5}',0,NULL,1637226000000000,NULL,NULL,NULL,NULL,1,'{"quantity":5}',1637226065001000,0,'','');
INSERT INTO "amazon_ae_items" VALUES(2,'A1SANDBOXSELLER/AE','inventory','UNKNOWN-1',1,'rejected','{"quantity":1}',0,NULL,1637226000000000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,'13013','There is no record of this SKU in your account.');
INSERT INTO "amazon_ae_items" VALUES(3,'A1SANDBOXSELLER/AE','pickup','171-0000000-0000001',1,'accepted','{"pickup_date":"2021-11-19","weight_grams":"500"}',0,NULL,1637226000000000,NULL,NULL,NULL,NULL,1,'{"pickup_date":"2021-11-19","weight_grams":"500"}',1637226066001000,0,'','');
INSERT INTO "amazon_ae_items" VALUES(4,'A1SANDBOXSELLER/AE','inventory','FLYING-1',2,'waiting','{"quantity":6}',0,NULL,1637226144001000,NULL,NULL,NULL,NULL,1,'{"quantity":7}',1637226208429493,0,'','');
INSERT INTO "amazon_ae_items" VALUES(5,'A1SANDBOXSELLER/AE','pickup','171-0000000-0000002',1,'in_flight','{"pickup_date":"2021-11-19","weight_grams":"750"}',0,NULL,1637226143501000,'65de7de6428f45b8a1a14f2a169e6a77',1,'{"pickup_date":"2021-11-19","weight_grams":"750"}',1637226143501000,NULL,NULL,NULL,0,'','');
INSERT INTO "amazon_ae_items" VALUES(6,'A1SANDBOXSELLER/AE','inventory','WAITING-1',1,'in_flight','{"quantity":0}',1,NULL,1637226144001000,'927f98bc7e514e70a74008f0dbeab181',1,'{"quantity":0}',1637226144001000,NULL,NULL,NULL,0,'','');
INSERT INTO "amazon_ae_items" VALUES(7,'A1SANDBOXSELLER/AE','pickup','171-0000000-0000003',1,'waiting','{"pickup_date":"2021-11-19","weight_grams":"900"}',0,NULL,1637226144001000,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,'','');
CREATE TABLE amazon_ae_schema (version INTEGER NOT NULL);
INSERT INTO "amazon_ae_schema" VALUES(1);
CREATE INDEX amazon_ae_waiting ON amazon_ae_items (account, kind, urgent DESC, put_at)
    WHERE state = 'waiting' AND batch_id IS NULL;
CREATE INDEX amazon_ae_flight ON amazon_ae_items (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX amazon_ae_dead ON amazon_ae_items (account, kind, key, state) WHERE state IN ('rejected', 'unknown');
CREATE INDEX amazon_ae_batches_of ON amazon_ae_batches (account, opened_at);
COMMIT;

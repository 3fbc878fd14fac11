CREATE SCHEMA amazon_ae;
CREATE TABLE amazon_ae.batches (
    batch_id text NOT NULL COLLATE pg_catalog."C",
    account text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    fence bigint NOT NULL,
    size integer NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    feed_id text,
    submitted_at timestamp with time zone
);
CREATE TABLE amazon_ae.documents (
    name text NOT NULL COLLATE pg_catalog."C",
    body text
);
CREATE TABLE amazon_ae.items (
    account text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    state text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    value text NOT NULL COLLATE pg_catalog."C",
    urgent boolean NOT NULL,
    in_doubt boolean DEFAULT false NOT NULL,
    put_at timestamp with time zone NOT NULL,
    reference text,
    batch_id text COLLATE pg_catalog."C",
    flight_version bigint,
    flight_value text COLLATE pg_catalog."C",
    flight_put_at timestamp with time zone,
    accepted_version bigint,
    accepted_value text COLLATE pg_catalog."C",
    accepted_at timestamp with time zone,
    code text DEFAULT ''::text NOT NULL,
    message text DEFAULT ''::text NOT NULL,
    CONSTRAINT items_check CHECK (((batch_id IS NULL) = (flight_value IS NULL))),
    CONSTRAINT items_check1 CHECK (((state = ANY (ARRAY['waiting'::text, 'in_flight'::text])) OR (batch_id IS NULL))),
    CONSTRAINT items_check2 CHECK (((state <> 'in_flight'::text) OR (batch_id IS NOT NULL))),
    CONSTRAINT items_state_check CHECK ((state = ANY (ARRAY['waiting'::text, 'in_flight'::text, 'accepted'::text, 'rejected'::text, 'unknown'::text])))
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.02', autovacuum_analyze_scale_factor='0.05');
CREATE TABLE amazon_ae.schema_version (
    version integer NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
INSERT INTO amazon_ae.batches (batch_id, account, kind, fence, size, opened_at, lease_until, feed_id, submitted_at) VALUES ('ecebc60343c5460e834890a4fc4fdc6b', 'A1SANDBOXSELLER/AE', 'inventory', 1, 1, '2021-11-18 09:02:24.44635+00', '2021-11-18 09:07:24.501+00', '50000018549', '2021-11-18 09:02:24+00');
INSERT INTO amazon_ae.batches (batch_id, account, kind, fence, size, opened_at, lease_until, feed_id, submitted_at) VALUES ('200653eafbb740f98c52fe73ba1882da', 'A1SANDBOXSELLER/AE', 'pickup', 1, 1, '2021-11-18 09:02:25.001+00', '2021-11-18 09:07:25.001+00', NULL, NULL);
INSERT INTO amazon_ae.batches (batch_id, account, kind, fence, size, opened_at, lease_until, feed_id, submitted_at) VALUES ('e76b11a04d134ce1aa347c9847fb4590', 'A1SANDBOXSELLER/AE', 'inventory', 1, 1, '2021-11-18 09:02:25.501+00', '2021-11-18 09:07:26.001+00', '50000018551', '2021-11-18 09:02:26+00');
INSERT INTO amazon_ae.documents (name, body) VALUES ('A1SANDBOXSELLER/AE/feeds', '{"v":1,"asked_at":"2021-11-18T09:01:06.001000+00:00","known":[["50000018547","2021-11-18T09:00:01+00:00"],["50000018548","2021-11-18T09:00:01+00:00"],["50000018549","2021-11-18T09:02:24.501000+00:00"],["50000018551","2021-11-18T09:02:26.001000+00:00"]],"states":[["50000018548","pickup","done","_DONE_","2021-11-18T09:00:01+00:00","2021-11-18T09:01:01+00:00"],["50000018547","inventory","done","_DONE_","2021-11-18T09:00:01+00:00","2021-11-18T09:01:01+00:00"]],"contested":[],"abandoned":[]}');
INSERT INTO amazon_ae.documents (name, body) VALUES ('A1SANDBOXSELLER/developer/SubmitFeed', '{"v":1,"now":1637226150001000,"full_at":1637226601000000,"spent":[[1637226001000000,"stock"],[1637226001000000,"pickup"],[1637226144501000,"stock"],[1637226146001000,"urgent"],[1637226150001000,"pickup"]],"open":[],"blocked_until":0}');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'pickup', '171-0000000-0000001', 'accepted', 1, '{"pickup_date":"2021-11-19","weight_grams":"500"}', false, false, '2021-11-18 09:00:01+00', NULL, NULL, NULL, NULL, NULL, 1, '{"pickup_date":"2021-11-19","weight_grams":"500"}', '2021-11-18 09:01:06.001+00', '', '');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'inventory', 'ACCEPTED-1', 'accepted', 1, '{"quantity":5}', false, false, '2021-11-18 09:00:01+00', NULL, NULL, NULL, NULL, NULL, 1, '{"quantity":5}', '2021-11-18 09:01:06.001+00', '', '');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'inventory', 'UNKNOWN-1', 'rejected', 1, '{"quantity":1}', false, false, '2021-11-18 09:00:01+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '13013', 'There is no record of this SKU in your account.');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'pickup', '171-0000000-0000002', 'in_flight', 1, '{"pickup_date":"2021-11-19","weight_grams":"750"}', false, false, '2021-11-18 09:02:25.001+00', NULL, '200653eafbb740f98c52fe73ba1882da', 1, '{"pickup_date":"2021-11-19","weight_grams":"750"}', '2021-11-18 09:02:25.001+00', NULL, NULL, NULL, '', '');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'inventory', 'FLYING-1', 'waiting', 2, '{"quantity":6}', false, false, '2021-11-18 09:02:25.501+00', NULL, 'ecebc60343c5460e834890a4fc4fdc6b', 1, '{"quantity":7}', '2021-11-18 09:01:06.001+00', NULL, NULL, NULL, '', '');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'pickup', '171-0000000-0000003', 'waiting', 1, '{"pickup_date":"2021-11-19","weight_grams":"900"}', false, false, '2021-11-18 09:02:25.501+00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', '');
INSERT INTO amazon_ae.items (account, kind, key, state, version, value, urgent, in_doubt, put_at, reference, batch_id, flight_version, flight_value, flight_put_at, accepted_version, accepted_value, accepted_at, code, message) VALUES ('A1SANDBOXSELLER/AE', 'inventory', 'WAITING-1', 'in_flight', 1, '{"quantity":0}', true, false, '2021-11-18 09:02:25.501+00', NULL, 'e76b11a04d134ce1aa347c9847fb4590', 1, '{"quantity":0}', '2021-11-18 09:02:25.501+00', NULL, NULL, NULL, '', '');
INSERT INTO amazon_ae.schema_version (version, applied_at) VALUES (1, '2026-11-29 06:13:42.103174+00');
ALTER TABLE ONLY amazon_ae.batches
    ADD CONSTRAINT batches_pkey PRIMARY KEY (batch_id);
ALTER TABLE ONLY amazon_ae.documents
    ADD CONSTRAINT documents_pkey PRIMARY KEY (name);
ALTER TABLE ONLY amazon_ae.items
    ADD CONSTRAINT items_pkey PRIMARY KEY (account, kind, key);
CREATE INDEX batches_account ON amazon_ae.batches USING btree (account, kind, opened_at);
CREATE INDEX items_dead ON amazon_ae.items USING btree (account, kind, state, key) WHERE (state = ANY (ARRAY['rejected'::text, 'unknown'::text]));
CREATE INDEX items_in_flight ON amazon_ae.items USING btree (batch_id, key) WHERE (batch_id IS NOT NULL);
CREATE INDEX items_waiting ON amazon_ae.items USING btree (account, kind, urgent DESC, put_at) WHERE ((state = 'waiting'::text) AND (batch_id IS NULL));

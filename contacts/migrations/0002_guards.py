"""What the database keeps by itself, beyond what a model can say.

- ``customer_owner_is_employed``: the owner is looked up among the people who may own, so a
  departed one is refused, whoever writes.
- ``customer_has_open_ownership``: when a transaction ends, every active customer has an open
  ownership period of the same owner. ``owner_key`` is the staff member, or minus the store.
- History and the consent ledger are append-only for everybody.
"""

from django.db import migrations

EMPLOYED = """
ALTER TABLE contacts_staff
    ADD COLUMN owning_id bigint GENERATED ALWAYS AS
        (CASE WHEN state <> 'departed' THEN id END) STORED,
    ADD CONSTRAINT staff_owning_id_once UNIQUE (owning_id);
ALTER TABLE contacts_customer
    ADD CONSTRAINT customer_owner_is_employed
        FOREIGN KEY (owner_id) REFERENCES contacts_staff (owning_id);
"""

EMPLOYED_UNDO = """
ALTER TABLE contacts_customer DROP CONSTRAINT customer_owner_is_employed;
ALTER TABLE contacts_staff DROP COLUMN owning_id;
"""

ALWAYS_OWNED = """
ALTER TABLE contacts_ownershipperiod
    ADD COLUMN open_customer_id bigint GENERATED ALWAYS AS
        (CASE WHEN ended_at IS NULL THEN customer_id END) STORED,
    ADD COLUMN owner_key bigint GENERATED ALWAYS AS
        (CASE WHEN staff_id IS NULL THEN -store_id ELSE staff_id END) STORED,
    ADD CONSTRAINT ownership_one_open UNIQUE (open_customer_id),
    ADD CONSTRAINT ownership_open_owner UNIQUE (open_customer_id, owner_key);
ALTER TABLE contacts_customer
    ADD COLUMN active_id bigint GENERATED ALWAYS AS
        (CASE WHEN state = 'active' THEN id END) STORED,
    ADD COLUMN owner_key bigint GENERATED ALWAYS AS
        (CASE WHEN owner_id IS NULL THEN -store_id ELSE owner_id END) STORED,
    ADD CONSTRAINT customer_has_open_ownership
        FOREIGN KEY (active_id, owner_key)
        REFERENCES contacts_ownershipperiod (open_customer_id, owner_key)
        DEFERRABLE INITIALLY DEFERRED;
CREATE INDEX customer_active ON contacts_customer (active_id);
"""

ALWAYS_OWNED_UNDO = """
ALTER TABLE contacts_customer DROP CONSTRAINT customer_has_open_ownership;
ALTER TABLE contacts_customer DROP COLUMN active_id, DROP COLUMN owner_key;
ALTER TABLE contacts_ownershipperiod
    DROP CONSTRAINT ownership_one_open,
    DROP CONSTRAINT ownership_open_owner;
ALTER TABLE contacts_ownershipperiod DROP COLUMN open_customer_id, DROP COLUMN owner_key;
"""

APPEND_ONLY = """
CREATE FUNCTION liuke_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'append_only';
END
$$;
CREATE TRIGGER history_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON contacts_historyentry
    FOR EACH STATEMENT EXECUTE FUNCTION liuke_append_only();
CREATE TRIGGER consent_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON contacts_consententry
    FOR EACH STATEMENT EXECUTE FUNCTION liuke_append_only();
"""

APPEND_ONLY_UNDO = """
DROP TRIGGER history_append_only ON contacts_historyentry;
DROP TRIGGER consent_append_only ON contacts_consententry;
DROP FUNCTION liuke_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("contacts", "0001_initial")]

    operations = [
        migrations.RunSQL(EMPLOYED, EMPLOYED_UNDO),
        migrations.RunSQL(ALWAYS_OWNED, ALWAYS_OWNED_UNDO),
        migrations.RunSQL(APPEND_ONLY, APPEND_ONLY_UNDO),
    ]

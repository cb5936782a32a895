-- What a tenant says of a verdict stands beside the verdicts, under the same session and request. `label` is empty in a verdict,
-- `action` and `score` in a label.

ALTER TABLE verdicts
    ADD COLUMN IF NOT EXISTS label String AFTER origin,
    ADD COLUMN IF NOT EXISTS labeller String AFTER label,
    ADD COLUMN IF NOT EXISTS comment String AFTER labeller;

"""What happens to patients' records: read, encoded, trained on and evaluated, in a worker without keys."""

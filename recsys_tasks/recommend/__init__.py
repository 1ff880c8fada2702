"""What a consumer runs: loads a published version and asks it. Needs numpy, annoy, boto3, pydantic."""

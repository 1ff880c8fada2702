"""Files of items, users and events with ids of any text: read, judged row by row, merged into the tables."""

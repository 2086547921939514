"""Tables of people: CSV, JSON, Excel and Parquet files read as rows of text, within bounds."""

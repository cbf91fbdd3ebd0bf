"""What the collector and the api of Taskscope both speak."""

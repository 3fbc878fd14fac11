"""Rules as plain functions: quota, lanes, polling, pickup days. No async, no clock, no network, no log."""

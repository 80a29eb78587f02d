//! AWS cron.

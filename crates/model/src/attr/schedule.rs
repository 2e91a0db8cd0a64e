//! When a job starts: at a time, by the calendar.

attrs! {
    DEFERRAL_TIME = "DeferralTime";
    DEFERRAL_WINDOW = "DeferralWindow";
    DEFERRAL_PREP_TIME = "DeferralPrepTime";
    SCHEDD_INTERVAL = "ScheddInterval";
    CRON_MINUTE = "CronMinute";
    CRON_HOUR = "CronHour";
    CRON_DAY_OF_MONTH = "CronDayOfMonth";
    CRON_MONTH = "CronMonth";
    CRON_DAY_OF_WEEK = "CronDayOfWeek";
}

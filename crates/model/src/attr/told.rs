//! Whom a job tells what: its log, its mails.

attrs! {
    USER_LOG = "UserLog";
    USER_LOG_USE_XML = "UserLogUseXML";
    USER_LOG_EXECUTE_EVENT_ATTRS = "UserLogExecuteEventAttrs";
    SUBMIT_EVENT_NOTES = "SubmitEventNotes";
    SUBMIT_EVENT_USER_NOTES = "SubmitEventUserNotes";
    SUBMIT_EVENT_NOTES_ATTRS = "SubmitEventNotesAttrs";
    JOB_AD_INFORMATION_ATTRS = "JobAdInformationAttrs";
    JOB_NOTIFICATION = "JobNotification";
    NOTIFY_USER = "NotifyUser";
    EMAIL_ATTRIBUTES = "EmailAttributes";
    SHOWN_MAIL_POINTS = "Mail_Points";
    SHOWN_MAIL_USERS = "Mail_Users";
    RESERVE_NAME = "Reserve_Name";
}

//! Files on their way to a run and back, and what a plug-in for URLs is told and tells.

attrs! {
    SHOULD_TRANSFER_FILES = "ShouldTransferFiles";
    WHEN_TO_TRANSFER_OUTPUT = "WhenToTransferOutput";
    TRANSFER_EXECUTABLE = "TransferExecutable";
    TRANSFER_IN = "TransferIn";
    TRANSFER_OUT = "TransferOut";
    TRANSFER_ERR = "TransferErr";
    TRANSFER_INPUT = "TransferInput";
    TRANSFER_PLUGINS = "TransferPlugins";
    X509_USER_PROXY = "x509userproxy";
    TRANSFER_OUTPUT = "TransferOutput";
    TRANSFER_OUTPUT_REMAPS = "TransferOutputRemaps";
    TRANSFER_CHECKPOINT = "TransferCheckpoint";
    PRESERVE_RELATIVE_PATHS = "PreserveRelativePaths";
    OUTPUT_DESTINATION = "OutputDestination";
    MAX_TRANSFER_INPUT_MB = "MaxTransferInputMB";
    MAX_TRANSFER_OUTPUT_MB = "MaxTransferOutputMB";
    SKIP_IF_DATAFLOW = "SkipIfDataflow";
    ERASE_OUTPUT_AND_ERROR_ON_RESTART = "EraseOutputAndErrorOnRestart";
    TRANSFORM_ON_EVICT = "TransformOnEvict";
    MANIFEST_DESIRED = "ManifestDesired";
    MANIFEST_DIR = "ManifestDir";
    TRANSFERRING_INPUT = "TransferringInput";
    TRANSFER_QUEUED = "TransferQueued";
    TRANSFER_IN_STARTED = "TransferInStarted";
    TRANSFER_IN_FINISHED = "TransferInFinished";
    TRANSFER_OUT_STARTED = "TransferOutStarted";
    TRANSFER_OUT_FINISHED = "TransferOutFinished";
    JOB_CURRENT_START_TRANSFER_INPUT_DATE = "JobCurrentStartTransferInputDate";
    JOB_CURRENT_FINISH_TRANSFER_INPUT_DATE = "JobCurrentFinishTransferInputDate";
    JOB_CURRENT_START_TRANSFER_OUTPUT_DATE = "JobCurrentStartTransferOutputDate";
    JOB_CURRENT_FINISH_TRANSFER_OUTPUT_DATE = "JobCurrentFinishTransferOutputDate";
    BYTES_SENT = "BytesSent";
    BYTES_RECVD = "BytesRecvd";
    TRANSFER_ERROR = "TransferError";
    TRANSFER_SUCCESS = "TransferSuccess";
    TRANSFER_URL = "TransferUrl";
    LOCAL_FILE_NAME = "LocalFileName";
}

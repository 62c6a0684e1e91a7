// Package cloudtrail reads the log files that a trail delivers and keeps of
// them what concerns Amazon Athena, as facts.
//
// A log file is gzip-compressed JSON on one line, an object with one array,
// Records, in no particular order (CloudTrail User Guide, "CloudTrail log file
// examples"). Few of the records are Athena's, so a [Reader] walks over the
// text without parsing it: it follows quotes and braces alone, looks at each
// record's own eventSource, and decodes only those of Athena, STS and Lake
// Formation. A name in invokedBy, userAgent or a parameter does not make a
// record Athena's, however deep a forger nests it.
//
// The same records arrive in other wrappings (JSON lines, arrays, EventBridge
// events, answers of LookupEvents, CloudWatch Logs subscriptions), which are
// told apart by their content. Memory does not grow with the file: the text
// passes through one window, which holds at most one record of the largest
// size allowed.
package cloudtrail

// Sources whose records become facts.
const (
	sourceAthena        = "athena.amazonaws.com"
	sourceSTS           = "sts.amazonaws.com"
	sourceLakeFormation = "lakeformation.amazonaws.com"
)

// Masks that CloudTrail writes in place of SQL and of notebook code.
const (
	maskSQL      = "***OMITTED***"
	maskNotebook = "HIDDEN_FOR_SECURITY_REASONS"
)

// DecoderVersion is stored in the ledger beside each log file. It changes
// when a log file read again would give other facts.
const DecoderVersion = 2

package athenatrail

import "time"

// Facts are what was recorded. Each is a function of one record or of one
// answer of the Athena API, and each carries the [Partition] that it lies in,
// which is the file's place and not a column.

// An Event is one record of athena.amazonaws.com. Its key is ID and
// QueryExecutionID together: a fixture that somebody edited may repeat an
// event id, and no start may be lost by that.
type Event struct {
	Home Partition `parquet:"-"`

	// ID is the eventID; of an addendum, its originalEventID; of a record
	// without one (eventVersion 1.0), "sha256:" and 32 hex digits of the
	// canonical record's hash.
	ID               string    `parquet:"event_id"`
	QueryExecutionID string    `parquet:"query_execution_id,optional"`
	Time             time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	Name             string    `parquet:"event_name"`
	SessionID        string    `parquet:"session_id,optional"` // of Athena for Apache Spark, also where its code called
	AccessKeyHash    string    `parquet:"access_key_hash,optional"`
	SharedEventID    string    `parquet:"shared_event_id,optional"`
	TextHash         string    `parquet:"text_hash,optional"` // of SQL that the record held in clear
	Updated          bool      `parquet:"updated"`            // an addendum with reason UPDATED_DATA

	// Record is the whole record as canonical JSON: keys sorted by their
	// bytes, numbers as they were written, no white space, SQL replaced by
	// "sha256:" and its hash, or by its salted hash.
	Record string `parquet:"record"`
}

// A SessionEvent is one of the few events that start or end a session of
// Athena for Apache Spark or one of its calculations, stored again apart
// because a session's human and its calculations are looked for over many
// days. Its key is ID and SessionID.
type SessionEvent struct {
	Home Partition `parquet:"-"`

	ID        string    `parquet:"event_id"`
	SessionID string    `parquet:"session_id,optional"` // NULL when a start got none
	Time      time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	Name      string    `parquet:"event_name"`
	Updated   bool      `parquet:"updated"`
	Record    string    `parquet:"record"`
}

// A QueryText is the SQL of one or more executions. Its key is TextHash.
type QueryText struct {
	Home Partition `parquet:"-"`

	// TextHash is the SHA-256 of the text in hex; where SQL is masked, "hmac:"
	// and the HMAC-SHA256 of that with the lake's salt.
	TextHash    string `parquet:"text_hash"`
	QueryString string `parquet:"query_string,optional"`
	Fingerprint string `parquet:"query_fingerprint,optional"`

	// What a text that is not kept whole could no longer give. Tables are as
	// the SQL names them, without the query's context.
	Tables        []string `parquet:"tables,optional,list"`         // read or written
	TablesWritten []string `parquet:"tables_written,optional,list"` // those of them that it changes
	Comment       string   `parquet:"comment,optional"`             // a tool's marker comment
	Probe         *bool    `parquet:"probe"`
}

// A RoleSession is one issue of temporary credentials, from a record of
// sts.amazonaws.com whose caller is not an AWS service. It holds no secret.
// Its key is AccessKeyHash.
type RoleSession struct {
	Home Partition `parquet:"-"`

	AccessKeyHash   string    `parquet:"access_key_hash"` // of the key that was issued; see HashAccessKey
	EventID         string    `parquet:"event_id"`
	EventName       string    `parquet:"event_name"` // AssumeRole, AssumeRoleWithSAML, GetFederationToken, ...
	Issued          time.Time `parquet:"issued,timestamp(millisecond:local)"`
	Expires         time.Time `parquet:"expires,optional,timestamp(millisecond:local)"`
	RoleARN         string    `parquet:"role_arn,optional"`
	RoleSessionName string    `parquet:"role_session_name,optional"`
	SourceIdentity  string    `parquet:"source_identity,optional"`
	CallerKeyHash   string    `parquet:"caller_access_key_hash,optional"`
	Caller          string    `parquet:"caller"` // userIdentity as canonical JSON, without accessKeyId
	SourceIP        string    `parquet:"source_ip,optional"`
	UserAgent       string    `parquet:"user_agent,optional"`
}

// A DataAccess is Lake Formation's record that a query was given access to a
// table. Its key is QueryExecutionID, Table and EventID.
type DataAccess struct {
	Home Partition `parquet:"-"`

	QueryExecutionID string    `parquet:"query_execution_id"`
	Table            string    `parquet:"table_arn"`
	EventID          string    `parquet:"event_id"`
	Time             time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	Principal        string    `parquet:"principal,optional"`
	Permissions      string    `parquet:"permissions,optional"`
}

// Kinds of details.
const (
	KindQueryExecution = "query_execution"
	KindSession        = "session"
	KindCalculation    = "calculation"
)

// Outcomes of asking for a detail.
const (
	OutcomeAnswered    = "answered"
	OutcomeTooOld      = "too_old"     // older than Athena's 45 days; not asked, never will be
	OutcomeNotFound    = "not_found"   // Athena does not know the id
	OutcomeUnprocessed = "unprocessed" // Athena would not say this time
	OutcomeDenied      = "denied"      // not allowed to ask
	OutcomeNoRole      = "no_role"     // no role into that account
)

// A Detail is the Athena API's answer for one id, or why there is none. Its
// key is Kind and ID. It lies on the day of the execution's submission, or
// without an answer on the day of its start event.
type Detail struct {
	Home Partition `parquet:"-"`

	Kind        string    `parquet:"kind"`
	ID          string    `parquet:"id"`
	Outcome     string    `parquet:"outcome"`
	Message     string    `parquet:"message,optional"` // what Athena said instead of an answer
	State       string    `parquet:"state,optional"`
	Final       bool      `parquet:"final"` // State will not change any more
	SubmittedAt time.Time `parquet:"submitted_at,optional,timestamp(millisecond:local)"`
	TextHash    string    `parquet:"text_hash,optional"`
	Answer      string    `parquet:"answer,optional"` // the API's JSON in canonical form, without the SQL
}

// A BillLine is what AWS billed for Athena on a day in an account and region,
// by an export of the bill that a user kept. Its key is Kind and LineType. It
// is derived from by nothing: reports compare it with what the tables hold.
type BillLine struct {
	Home Partition `parquet:"-"`

	// Kind is that of the usage: sql in terabytes, spark and capacity in
	// DPU-hours, other. What is charged or given back beside usage has the kind
	// adjustment and its LineType, in the export's own word: Tax, Credit.
	Kind     string `parquet:"kind"`
	LineType string `parquet:"line_type,optional"`

	Quantity Money  `parquet:"quantity,decimal(9:18)"` // in the kind's unit
	Cost     Money  `parquet:"cost,decimal(9:18)"`     // below zero for what is given back
	Currency string `parquet:"currency"`

	// Through is the day up to which the export told of that month, not
	// included, and Exported when its file was last changed. Of two exports of
	// a month the one that goes further stays, else the later one.
	Through  time.Time `parquet:"through,timestamp(millisecond:local)"`
	Exported time.Time `parquet:"exported,timestamp(millisecond:local)"`
}

// KindAdjustment is the kind of what a bill has beside usage.
const KindAdjustment = "adjustment"

// Kinds of references.
const (
	// The id of an account is its 12 digits; Answer has Name, OU, the path of
	// its organizational unit such as Root/Production, and State. The id of a
	// work group is its name; Answer has Tags, a list of Key and Value, and
	// WorkGroup, of Athena's answer to GetWorkGroup what athenaapi keeps. A
	// member that is not there was not told: what was told before holds on.
	KindAccount   = "account"
	KindWorkGroup = "work_group"

	KindIdentityUser = "identity_user" // the id is Identity Center's; Answer has Email and Name

	// Of a catalog. They lie in a dataset of their own, because there may be a
	// hundred thousand and no day is derived from them. Every Answer has From:
	// glue, lake_formation or file. One with Gone true says that what was there
	// is not any more. What does not apply or is not known is left out.
	//
	// The id of a table is catalog.database.table in lower case; Answer has
	// Type (table, view, link), Format, Compression, Location, ColumnCount,
	// Columns and PartitionColumns (names), Bytes, Rows, Created and Updated
	// (RFC 3339).
	//
	// The id of a grant is its Principal, Scope (table, tables, database) and
	// Resource (catalog.database.table, or catalog.database.*), which Answer
	// has too, with Permissions and Grantable, lists of Lake Formation's words.
	KindTable = "table"
	KindGrant = "grant"
)

// A Reference is an account, work group, identity user, table or grant as AWS,
// or a file of the user's, described it on a day. Its key is Kind and ID.
type Reference struct {
	Home Partition `parquet:"-"`

	Kind   string `parquet:"kind"`
	ID     string `parquet:"id"`
	Answer string `parquet:"answer"`
}

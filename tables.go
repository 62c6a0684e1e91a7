package athenatrail

import "time"

// Reasons why a row lacks a half: its column gap. A complete row has none.
const (
	GapNoDetail    = "no_detail"   // Athena has not been asked yet
	GapPending     = "pending"     // asked, not final yet
	GapExpired     = "expired"     // older than 45 days, or unknown to Athena
	GapUnprocessed = "unprocessed" // Athena would not say
	GapNoAccess    = "no_access"   // no role into that account, or not allowed to ask
	GapNotStarted  = "not_started" // the call failed or was denied: nothing ran
	GapNoEvent     = "no_event"    // known to Athena only: the trail lacks its start
)

// GapOf returns the gap of an execution whose detail has that outcome; final
// tells whether an answer's state will not change any more. An empty outcome
// is that of a detail that is not there.
func GapOf(outcome string, final bool) string {
	switch outcome {
	case OutcomeAnswered:
		if final {
			return ""
		}
		return GapPending
	case OutcomeTooOld, OutcomeNotFound:
		return GapExpired
	case OutcomeUnprocessed:
		return GapUnprocessed
	case OutcomeDenied, OutcomeNoRole:
		return GapNoAccess
	}
	return GapNoDetail
}

// GapIsOpen tells whether asking Athena again may close a gap.
func GapIsOpen(gap string) bool {
	switch gap {
	case GapNoDetail, GapPending, GapUnprocessed, GapNoAccess:
		return true
	}
	return false
}

// Rungs of the ladder of attribution, highest first: the column
// person_source.
const (
	SourceIdentityCenter  = "identity_center"
	SourceSourceIdentity  = "source_identity"
	SourceNotebookSession = "notebook_session"
	SourceSSOSession      = "sso_session"
	SourceSessionName     = "session_name"
	SourceIAMUser         = "iam_user"
	SourceRoleChain       = "role_chain"
	SourceQueryComment    = "query_comment"
	SourceFederatedUser   = "federated_user"
	SourceRootUser        = "root_user"
	SourceRole            = "role"
	SourceService         = "service"
	SourceNone            = "none" // nothing tells: there is no event, or one without a name
)

// How far to believe a person: the column person_trust.
const (
	TrustVouched  = "vouched"  // AWS says so
	TrustSession  = "session"  // a name that was chosen when the session was made
	TrustAsserted = "asserted" // a comment in the SQL
)

// What a person is: the column person_kind.
const (
	PersonHuman   = "human"
	PersonService = "service"
	PersonAgent   = "agent"
	PersonUnknown = "unknown"
)

// How a cost was computed: the column cost_basis.
const (
	BasisList     = "list"     // AWS's list price, from the program's table
	BasisCustom   = "custom"   // a price from the configuration
	BasisFree     = "free"     // nothing is charged for this execution
	BasisCapacity = "capacity" // it ran on reserved capacity; its cost is NULL
	BasisUnpriced = "unpriced" // the region has no price
)

// TeamUnassigned is the team of what no rule matches.
const TeamUnassigned = "unassigned"

// Who is the person behind a call, and how that is known.
type Who struct {
	Person               string `parquet:"person"`
	PersonSource         string `parquet:"person_source"`
	PersonTrust          string `parquet:"person_trust,optional"`
	PersonKind           string `parquet:"person_kind"`
	Team                 string `parquet:"team"`
	PrincipalType        string `parquet:"principal_type,optional"`
	PrincipalARN         string `parquet:"principal_arn,optional"`
	PrincipalID          string `parquet:"principal_id,optional"`
	RoleName             string `parquet:"role_name,optional"`
	RoleSessionName      string `parquet:"role_session_name,optional"`
	SourceIdentity       string `parquet:"source_identity,optional"`
	IdentityCenterUserID string `parquet:"identity_center_user_id,optional"`
	InvokedBy            string `parquet:"invoked_by,optional"`
	AccessKeyHash        string `parquet:"access_key_hash,optional"`
	// mfa belongs here, but parquet-go 0.32 reads NULL back as false from a
	// pointer inside an embedded struct, so each row has its own.
}

// Where is what a call came from.
type Where struct {
	Tool          string `parquet:"tool,optional"`
	ToolDetail    string `parquet:"tool_detail,optional"`
	SourceIP      string `parquet:"source_ip,optional"` // an address, or the DNS name of a service
	UserAgent     string `parquet:"user_agent,optional"`
	Console       bool   `parquet:"console"`
	VPCEndpointID string `parquet:"vpc_endpoint_id,optional"`
}

// A QueryExecution is one statement as Athena ran it, derived from the event
// that asked for it and the detail that Athena gave; or one start that never
// got an id. Either half may be missing: see Gap.
type QueryExecution struct {
	QueryExecutionID string `parquet:"query_execution_id,optional"` // NULL when the start got none
	AccountID        string `parquet:"account_id"`
	RegionName       string `parquet:"region_name"`
	EventID          string `parquet:"event_id,optional"` // of the first start; NULL when gap is no_event
	Hour             int32  `parquet:"hour"`              // UTC, of the start
	Gap              string `parquet:"gap,optional"`

	Who
	MFA *bool `parquet:"mfa"`
	Where

	WorkGroupName     string   `parquet:"work_group_name,optional"`
	CatalogName       string   `parquet:"catalog_name,optional"`
	DatabaseName      string   `parquet:"database_name,optional"`
	StatementType     string   `parquet:"statement_type,optional"`
	SubstatementType  string   `parquet:"substatement_type,optional"`
	TextHash          string   `parquet:"text_hash,optional"`
	TextDt            string   `parquet:"text_dt,optional"` // the day under which query_texts holds it
	QueryFingerprint  string   `parquet:"query_fingerprint,optional"`
	TablesAccessed    []string `parquet:"tables_accessed,optional,list"` // catalog.database.table in lower case, read or written
	TablesWritten     []string `parquet:"tables_written,optional,list"`  // those of them that it changed
	DatabasesAccessed []string `parquet:"databases_accessed,optional,list"`
	TablesSource      string   `parquet:"tables_source,optional"`
	Probe             bool     `parquet:"probe"`
	Own               bool     `parquet:"own"`

	// SubmissionDateTime is Athena's, else the start event's eventTime.
	SubmissionDateTime time.Time `parquet:"submission_date_time,timestamp(millisecond:local)"`
	CompletionDateTime time.Time `parquet:"completion_date_time,optional,timestamp(millisecond:local)"`
	State              string    `parquet:"state,optional"` // QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED
	StateChangeReason  string    `parquet:"state_change_reason,optional"`
	ErrorCode          string    `parquet:"error_code,optional"`     // of the call, from CloudTrail
	ErrorCategory      *int32    `parquet:"error_category,optional"` // of the execution: 1 system, 2 user, 3 other
	ErrorType          *int32    `parquet:"error_type,optional"`
	ErrorMessage       string    `parquet:"error_message,optional"`

	DataScannedBytes *int64   `parquet:"data_scanned_bytes,optional"`
	BilledBytes      *int64   `parquet:"billed_bytes,optional"` // what the price is multiplied with
	Cost             *Money   `parquet:"cost,optional,decimal(9:18)"`
	Currency         string   `parquet:"currency,optional"`
	CostBasis        string   `parquet:"cost_basis,optional"`
	DPUCount         *float64 `parquet:"dpu_count,optional"`
	EngineMillis     *int64   `parquet:"engine_ms,optional"`
	QueueMillis      *int64   `parquet:"queue_ms,optional"`
	PlanningMillis   *int64   `parquet:"planning_ms,optional"` // a part of engine_ms
	ServiceMillis    *int64   `parquet:"service_ms,optional"`
	TotalMillis      *int64   `parquet:"total_ms,optional"`
	ReusedResult     *bool    `parquet:"reused_result,optional"`
	EngineVersion    string   `parquet:"engine_version,optional"`
}

// An Activity is one event of Athena, with who and where.
type Activity struct {
	EventID    string    `parquet:"event_id"`
	EventTime  time.Time `parquet:"event_time,timestamp(millisecond:local)"`
	EventName  string    `parquet:"event_name"`
	AccountID  string    `parquet:"account_id"`
	RegionName string    `parquet:"region_name"`

	Who
	MFA *bool `parquet:"mfa"`
	Where

	ErrorCode              string `parquet:"error_code,optional"`
	ErrorMessage           string `parquet:"error_message,optional"`
	ReadOnly               *bool  `parquet:"read_only,optional"`
	WorkGroupName          string `parquet:"work_group_name,optional"`
	QueryExecutionID       string `parquet:"query_execution_id,optional"`
	SessionID              string `parquet:"session_id,optional"`
	NotebookID             string `parquet:"notebook_id,optional"`
	CalculationExecutionID string `parquet:"calculation_execution_id,optional"`
	RequestParameters      string `parquet:"request_parameters,optional"` // JSON
	ResponseElements       string `parquet:"response_elements,optional"`  // JSON
}

package athenatrail

import "time"

// What a [LimitAction] did: the column action. The first three are what a
// threshold asks for, on their own or by the work group.
const (
	ActNotify          = "notify"            // people were told
	ActStop            = "stop"              // a query was cancelled, or a Spark session ended
	ActBlock           = "block"             // a principal was denied to start anything until a time
	ActWorkGroupState  = "work_group_state"  // a work group was disabled
	ActWorkGroupCutoff = "work_group_cutoff" // a work group's queries are cut off at fewer bytes
	ActLift            = "lift"              // a block ended, or a work group was put back as it was
)

// What became of a [LimitAction]: the column outcome.
const (
	OutcomeBegun   = "begun"   // it was to be done; what came of it is not known
	OutcomeFailed  = "failed"  // AWS refused, or could not be reached
	OutcomeSkipped = "skipped" // it was not done, for the reason in the message
	OutcomeDone    = "done"
)

// A LimitAction is one thing that athenatrail did, or tried to do, because of a
// limit. Its key is ID and Attempt. It lies on the day of the act, under the
// account and region of what was acted upon; [GlobalRegion] for IAM, whose
// policies have no region, and [UnknownName] for what has no account.
//
// Nothing derives from these facts, and they are derived from nothing: they
// tell what athenatrail did, not what a trail says.
type LimitAction struct {
	Home Partition `parquet:"-"`

	// ID is the same for the same act, whoever does it and however often it is
	// tried: 32 hex digits of the hash of limit, subject, window, threshold,
	// action and target.
	ID      string    `parquet:"action_id"`
	Attempt int32     `parquet:"attempt"` // from 1 on
	Time    time.Time `parquet:"acted_at,timestamp(millisecond:local)"`
	RunID   string    `parquet:"run_id"`

	LimitName   string    `parquet:"limit_name"`
	Mode        string    `parquet:"mode"`             // of the limit, then
	SubjectKind string    `parquet:"subject_kind"`     // person, team, work_group or all
	Subject     string    `parquet:"subject,optional"` // whose amount it is
	Person      string    `parquet:"person,optional"`  // whose query, session or principal was acted upon
	WindowStart time.Time `parquet:"window_start,timestamp(millisecond:local)"`
	WindowEnd   time.Time `parquet:"window_end,optional,timestamp(millisecond:local)"` // NULL of one that moves
	Threshold   string    `parquet:"threshold,optional"`                               // such as 100%: stop
	Used        float64   `parquet:"used"`
	Allowed     float64   `parquet:"allowed"`
	Unit        string    `parquet:"unit"` // bytes, queries, dpu_ms, percent or a currency

	Action    string `parquet:"action"`
	Operation string `parquet:"operation,optional"` // what was called, such as athena:StopQueryExecution
	Target    string `parquet:"target,optional"`    // an ARN, or the id of a query execution or session
	Outcome   string `parquet:"outcome"`
	Message   string `parquet:"message,optional"` // the error, why it was skipped, or what was changed

	Until    time.Time `parquet:"until,optional,timestamp(millisecond:local)"` // when a block ends by itself
	Reason   string    `parquet:"reason,optional"`                             // of a lift: why
	LiftedBy string    `parquet:"lifted_by,optional"`                          // the caller's ARN, or athenatrail
}

// GlobalRegion stands in a [Partition] for the region of what has none.
const GlobalRegion = "global"

package athenaapitest

import (
	"encoding/json"
	"strconv"
	"time"
)

// An Execution is a query execution in the shape that Athena's JSON has
// (API reference, QueryExecution). A member that Athena leaves out is the zero
// value or nil here, and is left out.
//
// A Lookup gives an execution as it ends; [Execution.At] is how it looks
// before.
type Execution struct {
	ID                  string               `json:"QueryExecutionId"`
	Query               string               `json:"Query,omitempty"`
	StatementType       string               `json:"StatementType,omitempty"` // DDL, DML, UTILITY
	SubstatementType    string               `json:"SubstatementType,omitempty"`
	ResultConfiguration *ResultConfiguration `json:"ResultConfiguration,omitempty"`
	ResultReuse         *ResultReuse         `json:"ResultReuseConfiguration,omitempty"`
	Context             *Context             `json:"QueryExecutionContext,omitempty"`
	Status              Status               `json:"Status"`
	Statistics          *Statistics          `json:"Statistics,omitempty"`
	WorkGroup           string               `json:"WorkGroup,omitempty"`
	EngineVersion       *EngineVersion       `json:"EngineVersion,omitempty"`
}

// A Context is the catalog and database that names without one belong to.
type Context struct {
	Database string `json:"Database,omitempty"`
	Catalog  string `json:"Catalog,omitempty"`
}

// A ResultConfiguration tells where the result lies: a file, not a folder.
type ResultConfiguration struct {
	OutputLocation string `json:"OutputLocation,omitempty"`
}

// ResultReuse is what the caller allowed, not what happened; see
// [ReuseInformation].
type ResultReuse struct {
	ByAge ReuseByAge `json:"ResultReuseByAgeConfiguration"`
}

// ReuseByAge allows results of at most that age, 0 to 10,080 minutes.
type ReuseByAge struct {
	Enabled         bool `json:"Enabled"`
	MaxAgeInMinutes int  `json:"MaxAgeInMinutes,omitempty"`
}

// A Status says how far an execution got.
type Status struct {
	State       string       `json:"State,omitempty"` // QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED
	Reason      string       `json:"StateChangeReason,omitempty"`
	SubmittedAt Epoch        `json:"SubmissionDateTime,omitzero"`
	CompletedAt Epoch        `json:"CompletionDateTime,omitzero"`
	Error       *AthenaError `json:"AthenaError,omitempty"`
}

// An AthenaError is why an execution failed. Category is 1 for the system, 2
// for the user, 3 for other causes.
type AthenaError struct {
	Category  int    `json:"ErrorCategory"`
	Type      int    `json:"ErrorType"`
	Retryable bool   `json:"Retryable"`
	Message   string `json:"ErrorMessage,omitempty"`
}

// Statistics of an execution, in bytes and milliseconds. PlanningMillis is a
// part of EngineMillis.
type Statistics struct {
	EngineMillis        *int64            `json:"EngineExecutionTimeInMillis,omitempty"`
	DataScannedBytes    *int64            `json:"DataScannedInBytes,omitempty"`
	ManifestLocation    string            `json:"DataManifestLocation,omitempty"`
	TotalMillis         *int64            `json:"TotalExecutionTimeInMillis,omitempty"`
	QueueMillis         *int64            `json:"QueryQueueTimeInMillis,omitempty"`
	PreProcessingMillis *int64            `json:"ServicePreProcessingTimeInMillis,omitempty"`
	PlanningMillis      *int64            `json:"QueryPlanningTimeInMillis,omitempty"`
	ServiceMillis       *int64            `json:"ServiceProcessingTimeInMillis,omitempty"`
	Reuse               *ReuseInformation `json:"ResultReuseInformation,omitempty"`
	DPUCount            *float64          `json:"DpuCount,omitempty"` // on a capacity reservation only
}

// ReuseInformation says whether an earlier result was given again.
type ReuseInformation struct {
	ReusedPreviousResult bool `json:"ReusedPreviousResult"`
}

// An EngineVersion is what was asked for and what ran.
type EngineVersion struct {
	Selected  string `json:"SelectedEngineVersion,omitempty"`
	Effective string `json:"EffectiveEngineVersion,omitempty"`
}

// An Epoch is a time on the wire of JSON 1.1: a number, seconds since 1970
// with milliseconds as its fraction.
type Epoch struct{ time.Time }

// MarshalJSON writes 1593470720.592.
func (e Epoch) MarshalJSON() ([]byte, error) {
	ms := e.UnixMilli()
	b := strconv.AppendInt(nil, ms/1000, 10)
	if frac := ms % 1000; frac != 0 {
		b = append(b, '.', byte('0'+frac/100), byte('0'+frac/10%10), byte('0'+frac%10))
	}
	return b, nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Epoch) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return err
	}
	e.Time = time.UnixMilli(int64(seconds*1000 + 0.5)).UTC()
	return nil
}

// Final reports whether the state will not change any more.
func (e *Execution) Final() bool {
	switch e.Status.State {
	case "SUCCEEDED", "FAILED", "CANCELLED":
		return true
	}
	return false
}

// At returns the execution as Athena would show it at t: QUEUED for its queue
// time, then RUNNING with bytes that grow with time, and from its completion
// on as it is. An execution that never completes stays as it is.
func (e Execution) At(t time.Time) Execution {
	done := e.Status.CompletedAt
	if done.IsZero() || !t.Before(done.Time) {
		return e
	}
	final := e.Statistics
	queue := final.millis(func(s *Statistics) *int64 { return s.QueueMillis })
	elapsed := t.Sub(e.Status.SubmittedAt.Time).Milliseconds()

	e.Status = Status{State: "QUEUED", SubmittedAt: e.Status.SubmittedAt}
	if elapsed < queue {
		e.Statistics = &Statistics{QueueMillis: &elapsed, TotalMillis: &elapsed}
		return e
	}
	e.Status.State = "RUNNING"
	s := Statistics{QueueMillis: &queue, TotalMillis: &elapsed}
	engine := elapsed - queue
	s.EngineMillis = &engine
	if final != nil {
		s.DPUCount = final.DPUCount
		if final.DataScannedBytes != nil {
			whole := max(1, done.Sub(e.Status.SubmittedAt.Time).Milliseconds()-queue)
			scanned := int64(float64(*final.DataScannedBytes) * float64(engine) / float64(whole))
			s.DataScannedBytes = &scanned
		}
	}
	e.Statistics = &s
	return e
}

func (s *Statistics) millis(get func(*Statistics) *int64) int64 {
	if s == nil {
		return 0
	}
	if p := get(s); p != nil {
		return *p
	}
	return 0
}

// A WorkGroup is what ListWorkGroups and GetWorkGroup tell of one.
type WorkGroup struct {
	Name        string
	Description string
	State       string // ENABLED, DISABLED; empty means ENABLED
	CreatedAt   time.Time

	// BytesScannedCutoff is BytesScannedCutoffPerQuery; 0 means none.
	BytesScannedCutoff int64

	// NotEnforced is the opposite of EnforceWorkGroupConfiguration. Primary,
	// as AWS makes it, enforces nothing anyhow.
	NotEnforced bool

	// Engine is the version that runs; empty means "Athena engine version 3".
	Engine string

	OutputLocation   string // s3://bucket/path/
	EncryptionOption string // SSE_S3, SSE_KMS, CSE_KMS
	KMSKey           string
	RequesterPays    bool
	ExecutionRole    string // of Athena for Apache Spark

	// SparkProperties are free to hold secrets: a reader must not keep them.
	SparkProperties map[string]string

	// IdentityCenterApplication is the ARN of the application that a work
	// group with trusted identities belongs to.
	IdentityCenterApplication string
}

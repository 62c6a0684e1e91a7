package athenatrail

import "time"

// A Session is one session of Athena for Apache Spark, on the day it started.
// Its human is the caller of the StartSession that answered with its id; where
// the trail lacks that, the session is known from Athena alone or from the
// calls of its code, and Gap says no_event.
type Session struct {
	SessionID  string `parquet:"session_id,optional"` // NULL when the start got none
	AccountID  string `parquet:"account_id"`
	RegionName string `parquet:"region_name"`
	EventID    string `parquet:"event_id,optional"` // of the start; NULL when gap is no_event
	Hour       int32  `parquet:"hour"`              // UTC, of the start
	Gap        string `parquet:"gap,optional"`

	Who
	MFA *bool `parquet:"mfa"`
	Where

	WorkGroupName string `parquet:"work_group_name,optional"`
	NotebookID    string `parquet:"notebook_id,optional"`
	ExecutionRole string `parquet:"execution_role,optional"`
	EngineVersion string `parquet:"engine_version,optional"`
	Description   string `parquet:"description,optional"`

	// StartedAt is Athena's, else the start event's eventTime.
	StartedAt          time.Time `parquet:"started_at,timestamp(millisecond:local)"`
	EndedAt            time.Time `parquet:"ended_at,optional,timestamp(millisecond:local)"`
	IdleSince          time.Time `parquet:"idle_since,optional,timestamp(millisecond:local)"`
	State              string    `parquet:"state,optional"` // CREATED, IDLE, BUSY, TERMINATED, ...
	StateChangeReason  string    `parquet:"state_change_reason,optional"`
	EndedBy            string    `parquet:"ended_by,optional"` // the person who called TerminateSession
	EndedEventID       string    `parquet:"ended_event_id,optional"`
	ErrorCode          string    `parquet:"error_code,optional"` // of the start call
	ErrorMessage       string    `parquet:"error_message,optional"`
	IdleTimeoutMinutes *int32    `parquet:"idle_timeout_minutes,optional"`
	CoordinatorDPU     *int32    `parquet:"coordinator_dpu,optional"`
	MaxConcurrentDPU   *int32    `parquet:"max_concurrent_dpu,optional"`
	ExecutorDPU        *int32    `parquet:"executor_dpu,optional"`

	Calculations int64  `parquet:"calculations"`    // that the lake knows
	DPUMillis    *int64 `parquet:"dpu_ms,optional"` // Athena's DpuExecutionInMillis
	Cost         *Money `parquet:"cost,optional,decimal(9:18)"`
	Currency     string `parquet:"currency,optional"`
	CostBasis    string `parquet:"cost_basis,optional"`

	// IdleDPUMillis and IdleCost are what no calculation of the session used.
	// They are a part of DPUMillis and Cost, and NULL where a calculation's DPU
	// time is unknown, or where calculations are: Spark 3.5 has none.
	IdleDPUMillis *int64 `parquet:"idle_dpu_ms,optional"`
	IdleCost      *Money `parquet:"idle_cost,optional,decimal(9:18)"`
}

// A Calculation is one cell or block of code that a session ran, on the day of
// the call that asked for it. Who is who asked: of a notebook's cell, the human
// behind its session where that is known.
type Calculation struct {
	CalculationExecutionID string `parquet:"calculation_execution_id,optional"` // NULL when the call got none
	SessionID              string `parquet:"session_id,optional"`
	AccountID              string `parquet:"account_id"`
	RegionName             string `parquet:"region_name"`
	EventID                string `parquet:"event_id,optional"`
	Hour                   int32  `parquet:"hour"`
	Gap                    string `parquet:"gap,optional"`

	Who
	MFA *bool `parquet:"mfa"`
	Where

	WorkGroupName string `parquet:"work_group_name,optional"` // the session's
	NotebookID    string `parquet:"notebook_id,optional"`     // the session's
	Description   string `parquet:"description,optional"`

	SubmittedAt       time.Time `parquet:"submitted_at,timestamp(millisecond:local)"` // Athena's, else the call's eventTime
	CompletedAt       time.Time `parquet:"completed_at,optional,timestamp(millisecond:local)"`
	State             string    `parquet:"state,optional"` // CREATING, QUEUED, RUNNING, CANCELED, COMPLETED, FAILED, ...
	StateChangeReason string    `parquet:"state_change_reason,optional"`
	Progress          string    `parquet:"progress,optional"`
	StoppedBy         string    `parquet:"stopped_by,optional"` // the person who called StopCalculationExecution
	ErrorCode         string    `parquet:"error_code,optional"` // of the call
	ErrorMessage      string    `parquet:"error_message,optional"`

	DPUMillis *int64 `parquet:"dpu_ms,optional"`
	CostShare *Money `parquet:"cost_share,optional,decimal(9:18)"` // its part of the session's cost, never to be added to it
	Currency  string `parquet:"currency,optional"`
}

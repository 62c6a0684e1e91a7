package athenaapitest

import "time"

// A Session of Athena for Apache Spark, in the shape that GetSession's JSON
// has. A member that Athena leaves out is the zero value or nil here, and is
// left out.
//
// A lookup gives a session as it ends; [Session.At] is how it looks before.
type Session struct {
	ID              string                `json:"SessionId"`
	Description     string                `json:"Description,omitempty"`
	WorkGroup       string                `json:"WorkGroup,omitempty"`
	EngineVersion   string                `json:"EngineVersion,omitempty"`
	Engine          *EngineConfiguration  `json:"EngineConfiguration,omitempty"`
	NotebookVersion string                `json:"NotebookVersion,omitempty"`
	Configuration   *SessionConfiguration `json:"SessionConfiguration,omitempty"`
	Status          SessionStatus         `json:"Status"`
	Statistics      *SparkStatistics      `json:"Statistics,omitempty"`
}

// An EngineConfiguration tells the size of a session, in DPUs. Spark 3.5 has
// MaxConcurrentDPUs and Classifications alone.
type EngineConfiguration struct {
	CoordinatorDPUs   int               `json:"CoordinatorDpuSize,omitempty"`
	MaxConcurrentDPUs int               `json:"MaxConcurrentDpus,omitempty"`
	ExecutorDPUs      int               `json:"DefaultExecutorDpuSize,omitempty"`
	AdditionalConfigs map[string]string `json:"AdditionalConfigs,omitempty"`
	SparkProperties   map[string]string `json:"SparkProperties,omitempty"`
	Classifications   []Classification  `json:"Classifications,omitempty"`
}

// A Classification is a named group of engine properties.
type Classification struct {
	Name       string            `json:"Name"`
	Properties map[string]string `json:"Properties,omitempty"`
}

// A SessionConfiguration tells the role that a session's code has, and when
// the session ends for want of work.
type SessionConfiguration struct {
	ExecutionRole      string `json:"ExecutionRole,omitempty"`
	WorkingDirectory   string `json:"WorkingDirectory,omitempty"`
	IdleTimeoutSeconds int64  `json:"IdleTimeoutSeconds,omitempty"`
	IdleTimeoutMinutes int    `json:"SessionIdleTimeoutInMinutes,omitempty"`
}

// A SessionStatus says how far a session got: CREATING, CREATED, IDLE, BUSY,
// TERMINATING, TERMINATED, DEGRADED, FAILED.
type SessionStatus struct {
	State      string `json:"State,omitempty"`
	Reason     string `json:"StateChangeReason,omitempty"`
	StartedAt  Epoch  `json:"StartDateTime,omitzero"`
	ModifiedAt Epoch  `json:"LastModifiedDateTime,omitzero"`
	EndedAt    Epoch  `json:"EndDateTime,omitzero"`
	IdleSince  Epoch  `json:"IdleSinceDateTime,omitzero"`
}

// SparkStatistics of a session or calculation. DPUMillis are DPUs times
// milliseconds. Progress is a calculation's.
type SparkStatistics struct {
	DPUMillis int64  `json:"DpuExecutionInMillis"`
	Progress  string `json:"Progress,omitempty"`
}

// At returns the session as Athena would show it at t: BUSY until it is idle
// for good, then IDLE, with DPU time that grows with time, and from its end on
// as it is. A session that never ends stays as it is.
func (s Session) At(t time.Time) Session {
	end := s.Status.EndedAt
	if end.IsZero() || !t.Before(end.Time) {
		return s
	}
	was := s.Status
	s.Status = SessionStatus{State: "BUSY", StartedAt: was.StartedAt, ModifiedAt: Epoch{t}}
	if !was.IdleSince.IsZero() && !t.Before(was.IdleSince.Time) {
		s.Status.State, s.Status.IdleSince, s.Status.ModifiedAt = "IDLE", was.IdleSince, was.IdleSince
	}
	s.Statistics = s.Statistics.part(was.StartedAt.Time, t, end.Time)
	return s
}

// part returns the statistics at t of what goes on from start to end.
func (s *SparkStatistics) part(start, t, end time.Time) *SparkStatistics {
	if s == nil {
		return nil
	}
	whole := max(1, end.Sub(start).Milliseconds())
	return &SparkStatistics{DPUMillis: int64(float64(s.DPUMillis) * float64(t.Sub(start).Milliseconds()) / float64(whole))}
}

// A Calculation is what ran in a session, in the shape that
// GetCalculationExecution's JSON has. Code is what GetCalculationExecutionCode
// gives.
//
// A lookup gives a calculation as it ends; [Calculation.At] is how it looks
// before.
type Calculation struct {
	ID               string             `json:"CalculationExecutionId"`
	SessionID        string             `json:"SessionId,omitempty"`
	Description      string             `json:"Description,omitempty"`
	WorkingDirectory string             `json:"WorkingDirectory,omitempty"`
	Status           CalculationStatus  `json:"Status"`
	Statistics       *SparkStatistics   `json:"Statistics,omitempty"`
	Result           *CalculationResult `json:"Result,omitempty"`

	WorkGroup string `json:"-"` // of its session, for permissions
	Code      string `json:"-"`
}

// A CalculationStatus says how far a calculation got: CREATING, CREATED,
// QUEUED, RUNNING, CANCELING, CANCELED, COMPLETED, FAILED.
type CalculationStatus struct {
	State       string `json:"State,omitempty"`
	Reason      string `json:"StateChangeReason,omitempty"`
	SubmittedAt Epoch  `json:"SubmissionDateTime,omitzero"`
	CompletedAt Epoch  `json:"CompletionDateTime,omitzero"`
}

// A CalculationResult tells where lies what a calculation printed.
type CalculationResult struct {
	StdOut     string `json:"StdOutS3Uri,omitempty"`
	StdError   string `json:"StdErrorS3Uri,omitempty"`
	Result     string `json:"ResultS3Uri,omitempty"`
	ResultType string `json:"ResultType,omitempty"`
}

// At returns the calculation as Athena would show it at t: RUNNING, and from
// its completion on as it is. One that never completes stays as it is.
func (c Calculation) At(t time.Time) Calculation {
	done := c.Status.CompletedAt
	if done.IsZero() || !t.Before(done.Time) {
		return c
	}
	was := c.Status
	c.Status = CalculationStatus{State: "RUNNING", SubmittedAt: was.SubmittedAt}
	c.Statistics = c.Statistics.part(was.SubmittedAt.Time, t, done.Time)
	c.Result = nil
	return c
}

// A Tag is one of a resource's.
type Tag struct{ Key, Value string }

// Spark is what a server knows of Athena for Apache Spark. A nil function
// knows nothing. The lists are of ids, newest first.
type Spark struct {
	Session     func(account, region, id string) (Session, bool)
	Calculation func(account, region, id string) (Calculation, bool)

	Sessions         func(account, region, workGroup string) []string
	NotebookSessions func(account, region, notebook string) []string
	Calculations     func(account, region, session string) []string
}

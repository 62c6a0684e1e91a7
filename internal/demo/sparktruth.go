package demo

import "math/big"

// A SparkTruth is what really happened in one session of Athena for Apache
// Spark. Times are those that Athena tells, in milliseconds since 1970.
type SparkTruth struct {
	What       string `json:"what"` // session
	SessionID  string `json:"session_id"`
	AccountID  string `json:"account_id"`
	Region     string `json:"region_name"`
	NotebookID string `json:"notebook_id,omitempty"` // none with Spark 3.5
	WorkGroup  string `json:"work_group_name"`

	// Person is who it really was that started it. Rung and Answer are what
	// can be told of it: of the StartSession's caller where the trail holds
	// that, else the executor's role.
	Person string `json:"person"`
	Kind   string `json:"kind"`
	Team   string `json:"team,omitempty"`
	Rung   string `json:"rung"`
	Answer string `json:"answer"`

	// StartedAt is the eventTime of the StartSession, also of one that is not
	// in the trail.
	StartedAt     string `json:"started_at"`
	EndedBy       string `json:"ended_by,omitempty"` // who it really was; empty: it timed out, failed, or goes on
	EngineVersion string `json:"engine_version"`
	ExecutionRole string `json:"execution_role"` // ARN
	IdleTimeout   int    `json:"idle_timeout_minutes"`

	// The rest is as of the company's Now. Gap is no_event where only the
	// trail's half is missing, expired where Athena does not know the session.
	Gap             string `json:"gap,omitempty"`
	State           string `json:"state,omitempty"`
	StartedAtMillis int64  `json:"started_at_ms,omitempty"`
	EndedAtMillis   int64  `json:"ended_at_ms,omitempty"`
	IdleSinceMillis int64  `json:"idle_since_ms,omitempty"` // when the last work was done

	// IdleMillis is the time, until the end or Now, in which no calculation
	// ran; with Spark 3.5 the time since IdleSinceDateTime, absent where
	// Athena does not tell it.
	IdleMillis *int64 `json:"idle_ms,omitempty"`

	// DPUMillis is the session's whole DPU time, of which its calculations
	// used CalculationDPUMillis: the rest is the coordinator's. Cost is absent
	// while the session goes on, and where the region has no price.
	DPUMillis            *int64 `json:"dpu_ms,omitempty"`
	CalculationDPUMillis int64  `json:"calculation_dpu_ms,omitempty"`
	CostNano             *int64 `json:"cost_nano,omitempty"`
	CostBasis            string `json:"cost_basis,omitempty"`

	Calculations []string `json:"calculation_execution_ids"`
	Cases        []string `json:"cases,omitempty"` // what this session is an example of
}

// A CalculationTruth is what is true of one calculation.
type CalculationTruth struct {
	What          string `json:"what"` // calculation
	CalculationID string `json:"calculation_execution_id"`
	SessionID     string `json:"session_id"`
	AccountID     string `json:"account_id"`
	Region        string `json:"region_name"`
	EventID       string `json:"event_id"`

	// Person is who it really was, Principal who signed: often the executor.
	// Rung and Answer are what can be told of it.
	Person    string `json:"person"`
	Rung      string `json:"rung"`
	Answer    string `json:"answer"`
	Principal string `json:"principal_arn"`
	SourceIP  string `json:"source_ip"`

	Description string `json:"description"`
	Gap         string `json:"gap,omitempty"`
	State       string `json:"state,omitempty"`
	Progress    string `json:"progress,omitempty"`
	SubmittedAt int64  `json:"submitted_at_ms,omitempty"`
	CompletedAt int64  `json:"completed_at_ms,omitempty"`
	DPUMillis   *int64 `json:"dpu_ms,omitempty"`

	Cases []string `json:"cases,omitempty"`
}

// What a [SparkFinding] is about.
const (
	FindingIdleSession     = "idle_session"     // never terminated, or idle for hours
	FindingForeignAddress  = "foreign_address"  // cells that a person sent from another address than the session's
	FindingPresignedURL    = "presigned_url"    // made by somebody who has no session
	FindingImportRole      = "import_role"      // an imported notebook ran under another role
	FindingForeignNotebook = "foreign_notebook" // exported or deleted by somebody other than its maker
	FindingDeniedCalls     = "denied_calls"     // in a row
	FindingExecutorOutside = "executor_outside" // an executor's credentials used outside Athena
)

// A SparkFinding is something around notebooks that should be noticed, or that
// looks like it and should not. A session that it is about has finding_NAME or
// no_finding_NAME among its cases.
type SparkFinding struct {
	What       string   `json:"what"` // finding
	Finding    string   `json:"finding"`
	Fires      bool     `json:"fires"`
	AccountID  string   `json:"account_id"`
	Region     string   `json:"region_name"`
	Person     string   `json:"person"`
	SessionID  string   `json:"session_id,omitempty"`
	NotebookID string   `json:"notebook_id,omitempty"`
	EventIDs   []string `json:"event_ids"` // the evidence
}

// SparkTruths returns what is true of each session, in the order in which they
// were invented.
func (c *Company) SparkTruths() []SparkTruth {
	out := make([]SparkTruth, len(c.sessions))
	for i, x := range c.sessions {
		out[i] = x.truth
	}
	return out
}

// CalculationTruths returns what is true of each calculation, by session.
func (c *Company) CalculationTruths() []CalculationTruth {
	var out []CalculationTruth
	for _, x := range c.sessions {
		for _, y := range x.calculations {
			out = append(out, y.truth)
		}
	}
	return out
}

// SparkFindings returns what should be noticed around notebooks, and what
// should not.
func (c *Company) SparkFindings() []SparkFinding { return c.findings }

// price computes what a session costs, apart from the program's own
// computation: 0.35 USD a DPU-hour in us-east-1, and no known price elsewhere.
func (t *SparkTruth) price() {
	switch {
	case t.Gap == "pending" || t.Gap == "expired" || t.DPUMillis == nil:
		return
	case t.Region != US:
		t.CostBasis = "unpriced"
		return
	}
	const hour = 3_600_000
	cost := new(big.Int).Mul(big.NewInt(*t.DPUMillis), big.NewInt(350_000_000))
	cost.Add(cost, big.NewInt(hour/2)).Div(cost, big.NewInt(hour))
	n := cost.Int64()
	t.CostNano, t.CostBasis = &n, "list"
}

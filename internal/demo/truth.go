package demo

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// A Truth is what really happened at one start of a query. The program that is
// tested never sees it.
type Truth struct {
	What             string   `json:"what"` // start
	QueryExecutionID string   `json:"query_execution_id,omitempty"`
	EventID          string   `json:"event_id"`  // of the first start; of an addendum, the original's
	EventIDs         []string `json:"event_ids"` // of every start with this query execution id
	AccountID        string   `json:"account_id"`
	Region           string   `json:"region_name"`
	EventTime        string   `json:"event_time"`

	Person string `json:"person"` // who it really was
	Kind   string `json:"kind"`   // human, service, agent
	Team   string `json:"team,omitempty"`
	// Rung is the highest rung of the ladder that can answer from what the
	// trail and the Athena API hold, and Answer what it answers without a
	// directory: the user id for identity_center; for a BI tool that knows its
	// users by number, the number prefixed as a directory has it (metabase:7),
	// which does not answer until a directory maps it.
	Rung      string `json:"rung"`
	Answer    string `json:"answer"`
	Principal string `json:"principal_arn"`
	SourceIP  string `json:"source_ip"`

	Tool       string `json:"tool"`
	ToolDetail string `json:"tool_detail,omitempty"`
	Node       string `json:"dbt_node,omitempty"`

	WorkGroup     string   `json:"work_group_name,omitempty"`
	Database      string   `json:"database_name,omitempty"`
	StatementType string   `json:"statement_type,omitempty"`
	Substatement  string   `json:"substatement_type,omitempty"`
	SQL           string   `json:"query_string,omitempty"`
	Reads         []string `json:"tables_read,omitempty"` // catalog.database.table
	Writes        []string `json:"tables_written,omitempty"`
	LakeFormation bool     `json:"lake_formation,omitempty"` // GetDataAccess records tell the tables read
	Probe         bool     `json:"probe,omitempty"`

	// The rest is as of the company's Now.
	Gap          string `json:"gap,omitempty"`
	State        string `json:"state,omitempty"`
	ErrorCode    string `json:"error_code,omitempty"` // of the call
	Reused       bool   `json:"reused,omitempty"`
	StoppedBy    string `json:"stopped_by,omitempty"`
	SubmittedAt  int64  `json:"submitted_at_ms,omitempty"`
	CompletedAt  int64  `json:"completed_at_ms,omitempty"`
	ScannedBytes *int64 `json:"data_scanned_bytes,omitempty"`

	// BilledBytes and CostNano, in billionths of a dollar, are absent where
	// nothing can be said, and with CostBasis capacity. ZeroByteDML marks the
	// statements for which they hold under `zero_byte_dml: minimum` only.
	BilledBytes *int64 `json:"billed_bytes,omitempty"`
	CostNano    *int64 `json:"cost_nano,omitempty"`
	CostBasis   string `json:"cost_basis,omitempty"`
	ZeroByteDML bool   `json:"zero_byte_dml,omitempty"`

	Cases []string `json:"cases,omitempty"` // what this start is an example of

	at time.Time
}

// price computes what a start costs by the rules of Athena's pricing page,
// apart from the program's own computation. Prices are of the regions that the
// company uses.
func (t *Truth) price(dpu bool) {
	switch {
	case t.Gap != "":
		return
	case dpu:
		t.CostBasis = "capacity"
		return
	case t.State == "FAILED" || t.Reused || t.StatementType == "DDL" ||
		t.StatementType == "UTILITY" && t.Substatement != "EXPLAIN_ANALYZE":
		zero, free := int64(0), int64(0)
		t.BilledBytes, t.CostNano, t.CostBasis = &zero, &free, "free"
		return
	case t.ScannedBytes == nil:
		return
	}
	megabyte, terabyte := big.NewInt(1<<20), big.NewInt(1<<40)
	billed := big.NewInt(*t.ScannedBytes)
	billed.Add(billed, big.NewInt(1<<20-1)).Div(billed, megabyte)
	if least := big.NewInt(10); billed.Cmp(least) < 0 {
		billed = least
	}
	billed.Mul(billed, megabyte)
	cost := new(big.Int).Mul(billed, big.NewInt(5_000_000_000))
	half := new(big.Int).Rsh(terabyte, 1)
	cost.Add(cost, half).Div(cost, terabyte)

	b, c := billed.Int64(), cost.Int64()
	t.BilledBytes, t.CostNano, t.CostBasis = &b, &c, "list"
	t.ZeroByteDML = *t.ScannedBytes == 0
}

// Truths returns what is true of each start, ordered by time and event id.
func (c *Company) Truths() []Truth {
	out := make([]Truth, len(c.runs))
	for i := range c.runs {
		out[i] = c.runs[i].truth
	}
	return out
}

// WriteTruth writes one JSON line for each start, each Spark session, each
// calculation, each finding and each anomaly.
func (c *Company) WriteTruth(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the demo's truth: %w", err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i := range c.runs {
		if err == nil {
			err = enc.Encode(&c.runs[i].truth)
		}
	}
	for _, x := range c.sessions {
		if err == nil {
			err = enc.Encode(&x.truth)
		}
	}
	for _, x := range c.sessions {
		for _, y := range x.calculations {
			if err == nil {
				err = enc.Encode(&y.truth)
			}
		}
	}
	for i := range c.findings {
		if err == nil {
			err = enc.Encode(&c.findings[i])
		}
	}
	for i := range c.queryFindings {
		if err == nil {
			err = enc.Encode(&c.queryFindings[i])
		}
	}
	for i := range c.anomalies {
		if err == nil {
			err = enc.Encode(&c.anomalies[i])
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

package athenaapitest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"
)

// A Statement is what StartQueryExecution was called with.
type Statement struct {
	SQL               string
	WorkGroup         string
	Catalog, Database string
	OutputLocation    string
	PrincipalARN      string
	UserAgent         string
}

// A Result is what a statement gave. A nil cell is NULL; others are text, as
// Athena writes a value of the column's type.
type Result struct {
	Columns      []ResultColumn
	Rows         [][]*string
	ScannedBytes int64
}

// A ResultColumn has its type as GetQueryResults spells it: varchar, bigint,
// decimal, array.
type ResultColumn struct{ Name, Type string }

// A RunFailure is why a statement failed, as Athena sorts it: 1 for the system,
// 2 for the user.
type RunFailure struct {
	Category int
	Message  string
}

func (f *RunFailure) Error() string { return f.Message }

const (
	maxStatement = 262_144
	maxResults   = 1000 // rows of a page, the header among them
	minToken     = 32   // characters of a ClientRequestToken
)

// A run is one statement that was started here.
type run struct {
	account, region string
	execution       Execution
	result          Result
	cancel          context.CancelFunc
	asked           int // how often its state was asked for
}

// startQueryExecution runs a statement by [Config.Run]. The same token is
// answered with the same id.
func (s *Server) startQueryExecution(c Call, in request) (any, *apiError) {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	c.WorkGroup = cmp.Or(c.WorkGroup, primary)
	statement := Statement{SQL: text(in.QueryString), WorkGroup: c.WorkGroup, PrincipalARN: c.PrincipalARN, UserAgent: c.UserAgent}
	token := text(in.ClientRequestToken)
	switch {
	case s.config.Run == nil:
		return nil, &apiError{status: http.StatusBadRequest, code: "UnknownOperationException"}
	case statement.SQL == "" || len(statement.SQL) > maxStatement:
		return nil, invalidRequest("1 validation error detected: Value at 'queryString' failed to satisfy constraint: Member must have length between 1 and %d", maxStatement)
	case len(token) < minToken || len(token) > 4*minToken:
		return nil, invalidRequest("1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length between 32 and 128")
	}
	if s.denied(c) {
		return nil, accessDenied(c)
	}
	group, refused := s.workGroup(c)
	if refused != nil {
		return nil, refused
	}
	if in.QueryExecutionContext != nil {
		statement.Catalog, statement.Database = in.QueryExecutionContext.Catalog, in.QueryExecutionContext.Database
	}
	if in.ResultConfiguration != nil {
		statement.OutputLocation = in.ResultConfiguration.OutputLocation
	}
	if statement.OutputLocation = cmp.Or(statement.OutputLocation, group.OutputLocation); statement.OutputLocation == "" {
		return nil, invalidRequest("No output location provided. An output location is required either through the Workgroup result configuration setting or as an API input.")
	}
	sum := sha256.Sum256([]byte(c.Account + c.Region + token))
	id := hex.EncodeToString(sum[:16])
	id = id[:8] + "-" + id[8:12] + "-" + id[12:16] + "-" + id[16:20] + "-" + id[20:]
	ctx, cancel := context.WithCancel(context.Background())
	r := &run{account: c.Account, region: c.Region, cancel: cancel, execution: Execution{
		ID: id, Query: statement.SQL, StatementType: "DML", SubstatementType: "SELECT", WorkGroup: statement.WorkGroup,
		ResultConfiguration: &ResultConfiguration{statement.OutputLocation + id + ".csv"},
		Context:             &Context{statement.Database, statement.Catalog},
		Status:              Status{State: "QUEUED", SubmittedAt: Epoch{s.config.Now()}},
	}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.runs[id] != nil {
		cancel()
		return struct{ QueryExecutionId string }{id}, nil
	}
	s.runs[id] = r
	if reuse := in.ResultReuseConfiguration; reuse != nil && reuse.ByAge.Enabled {
		if earlier := s.earlier(r, time.Duration(reuse.ByAge.MaxAgeInMinutes)*time.Minute); earlier != nil {
			r.result = earlier.result
			r.finish(s.config.Now(), Statistics{DataScannedBytes: new(int64), Reuse: &ReuseInformation{true}}, nil)
			return struct{ QueryExecutionId string }{id}, nil
		}
	}
	go func() {
		defer cancel()
		result, err := s.config.Run(ctx, statement)
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.execution.Final() { // stopped
			return
		}
		r.result = result
		r.finish(s.config.Now(), Statistics{DataScannedBytes: &result.ScannedBytes}, err)
	}()
	return struct{ QueryExecutionId string }{id}, nil
}

// earlier returns a run of the same statement whose result may be taken again.
func (s *Server) earlier(r *run, age time.Duration) *run {
	for _, o := range s.runs {
		e, mine := o.execution, r.execution
		if o != r && e.Status.State == "SUCCEEDED" && o.account == r.account && o.region == r.region && e.Query == mine.Query &&
			e.WorkGroup == mine.WorkGroup && *e.Context == *mine.Context && s.config.Now().Sub(e.Status.CompletedAt.Time) <= age {
			return o
		}
	}
	return nil
}

func (r *run) finish(now time.Time, statistics Statistics, err error) {
	e := &r.execution
	e.Statistics, e.Status.CompletedAt, e.Status.State = &statistics, Epoch{now}, "SUCCEEDED"
	if err == nil {
		return
	}
	e.Status.State, e.Status.Reason = "FAILED", err.Error()
	e.Status.Error = &AthenaError{Category: 1, Message: err.Error()}
	if f, ok := err.(*RunFailure); ok {
		e.Status.Error.Category = f.Category
	}
}

// started returns a run's execution as it is now: first QUEUED, then RUNNING,
// with a megabyte more that was scanned each time that it is asked for.
func (s *Server) started(c Call, id string) (Execution, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[id]
	if r == nil || r.account != c.Account || r.region != c.Region {
		return Execution{}, false
	}
	e := r.execution
	if c.Operation == "GetQueryExecution" {
		r.asked++
	}
	if r.asked <= 1 && c.Operation == "GetQueryExecution" { // Athena is never as fast as the first question
		e.Status, e.Statistics = Status{State: "QUEUED", SubmittedAt: e.Status.SubmittedAt}, nil
	} else if !e.Final() {
		scanned := int64(r.asked) * 1_000_000
		e.Status.State, e.Statistics = "RUNNING", &Statistics{DataScannedBytes: &scanned}
	}
	return e, true
}

// stopRun cancels a run, and reports whether there is one.
func (s *Server) stopRun(c Call, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[id]
	if r == nil || r.account != c.Account || r.region != c.Region {
		return false
	}
	r.cancel()
	if e := &r.execution; !e.Final() {
		e.Status.State, e.Status.CompletedAt, e.Status.Reason = "CANCELLED", Epoch{s.config.Now()}, "Query was cancelled by the user"
	}
	return true
}

// getQueryResults answers with a page of a result, of which the first row of
// the first has the columns' names.
func (s *Server) getQueryResults(c Call, in request) (any, *apiError) {
	e, refused := s.one(c, in)
	if refused != nil {
		return nil, refused
	}
	s.mu.Lock()
	r := s.runs[e.ID]
	s.mu.Unlock()
	switch {
	case r == nil:
		return nil, invalidRequest("Could not find results")
	case !e.Final():
		return nil, invalidRequest("Query has not yet finished. Current state: %s", e.Status.State)
	case e.Status.State != "SUCCEEDED":
		return nil, invalidRequest("Query did not finish successfully. Final query state: %s", e.Status.State)
	}
	size, from := maxResults, 0
	if in.MaxResults != nil {
		if size = *in.MaxResults; size < 1 || size > maxResults {
			return nil, invalidRequest("MaxResults is more than maximum allowed length %d", maxResults)
		}
	}
	if in.NextToken != nil {
		var err error
		if from, err = strconv.Atoi(*in.NextToken); err != nil || from < 1 {
			return nil, invalidRequest("NextToken is invalid")
		}
	}
	type datum struct {
		VarCharValue *string `json:",omitempty"`
	}
	type row struct{ Data []datum }
	type info struct{ CatalogName, SchemaName, TableName, Name, Label, Type, Nullable string }
	header := make([]*string, len(r.result.Columns))
	columns := make([]info, len(header))
	for i, column := range r.result.Columns {
		header[i] = &column.Name
		columns[i] = info{"hive", "", "", column.Name, column.Name, column.Type, "UNKNOWN"}
	}
	rows := []row{}
	all := len(r.result.Rows) + 1
	for i := from; i < min(from+size, all); i++ {
		cells := header
		if i > 0 {
			cells = r.result.Rows[i-1]
		}
		data := make([]datum, len(cells))
		for k, text := range cells {
			data[k].VarCharValue = text
		}
		rows = append(rows, row{data})
	}
	var out struct {
		ResultSet struct {
			Rows              []row
			ResultSetMetadata struct{ ColumnInfo []info }
		}
		UpdateCount int
		NextToken   string `json:",omitempty"`
	}
	out.ResultSet.Rows, out.ResultSet.ResultSetMetadata.ColumnInfo = rows, columns
	if from+size < all {
		out.NextToken = strconv.Itoa(from + size)
	}
	return out, nil
}

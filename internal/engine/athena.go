package engine

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/athena"
	"github.com/aws/aws-sdk-go-v2/service/athena/types"

	"github.com/athenatrail/athenatrail/internal/awsconn"
)

// Athena says how statements are run in Athena.
type Athena struct {
	Config aws.Config // of the account and region

	WorkGroup         string // empty is primary
	OutputLocation    string // s3://bucket/prefix/ of results; empty: the work group's
	Catalog, Database string // of the lake's tables

	// Reuse is how old an earlier result may be to be taken again: Athena
	// charges nothing for one. Zero runs every statement; Athena knows minutes,
	// and a week at most.
	Reuse time.Duration

	// Cutoff is how many bytes a statement may have scanned before it is
	// stopped; what it scanned until then is charged. Zero sets no bound here:
	// the work group may have its own.
	Cutoff int64

	// Poll is how long to wait before asking for a statement's state again;
	// it doubles from there up to twenty times as long. Zero is 100 ms.
	Poll time.Duration
}

// maxStatement is how long a statement may be (API reference,
// StartQueryExecution).
const maxStatement = 262_144

// DefaultCatalog is Athena's name of the Glue Data Catalog.
const DefaultCatalog = "AwsDataCatalog"

const maxReuse = 7 * 24 * time.Hour

// Open returns a database over Athena. It makes no call until a statement is
// run. Errors of statements are [Error].
func (a Athena) Open(meter *Meter) (*sql.DB, error) {
	if err := checkName("database", a.Database); err != nil {
		return nil, fmt.Errorf("athena: %w", err)
	}
	if a.Reuse < 0 || a.Reuse > maxReuse {
		return nil, fmt.Errorf("athena: results of %s may be reused: want 0 to 7d", a.Reuse)
	}
	if a.Catalog == "" {
		a.Catalog = DefaultCatalog
	}
	if a.Poll == 0 {
		a.Poll = 100 * time.Millisecond
	}
	return sql.OpenDB(&athenaConnector{a, athena.NewFromConfig(a.Config), meter}), nil
}

type athenaConnector struct {
	Athena
	api   *athena.Client
	meter *Meter
}

func (c *athenaConnector) Connect(context.Context) (driver.Conn, error) { return athenaConn{c}, nil }
func (c *athenaConnector) Driver() driver.Driver                        { return athenaDriver{} }

type athenaDriver struct{}

func (athenaDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("athena: open it by its settings, not by a name")
}

// An athenaConn has no state: every statement is a call of its own.
type athenaConn struct{ *athenaConnector }

func (athenaConn) Close() error { return nil }
func (athenaConn) Begin() (driver.Tx, error) {
	return nil, errors.New("athena: there are no transactions")
}
func (athenaConn) Prepare(string) (driver.Stmt, error) { return nil, errParameters }

// QueryContext runs a statement and waits until it has ended. If ctx is done
// before, Athena is told to stop it.
func (c athenaConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) > 0 {
		return nil, errParameters
	}
	id, err := c.run(ctx, query)
	if err != nil {
		return nil, err
	}
	rows := &athenaRows{ctx: ctx, api: c.api, id: id}
	if err := rows.fetch(); err != nil {
		return nil, err
	}
	return rows, nil
}

// ExecContext runs a statement that has no rows, as UNLOAD, and waits until it
// has ended.
func (c athenaConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) > 0 {
		return nil, errParameters
	}
	_, err := c.run(ctx, query)
	return driver.ResultNoRows, err
}

// run runs a statement and returns its execution's id when it has succeeded.
func (c *athenaConnector) run(ctx context.Context, query string) (string, error) {
	if len(query) > maxStatement {
		return "", &Error{"athena", fmt.Sprintf("the statement has %d bytes, and Athena takes %d: make the window shorter", len(query), maxStatement), true}
	}
	id, err := c.start(ctx, query)
	if err != nil {
		return "", awsconn.Explained(fmt.Errorf("athena: start the statement in work group %s: %w", c.workGroup(), err))
	}
	return id, c.wait(ctx, id)
}

func (c *athenaConnector) workGroup() string {
	if c.WorkGroup == "" {
		return "primary"
	}
	return c.WorkGroup
}

func (c *athenaConnector) start(ctx context.Context, query string) (string, error) {
	var token [24]byte
	rand.Read(token[:]) // so that a call that is repeated starts nothing anew
	in := &athena.StartQueryExecutionInput{
		QueryString:           &query,
		WorkGroup:             aws.String(c.workGroup()),
		ClientRequestToken:    aws.String(hex.EncodeToString(token[:])),
		QueryExecutionContext: &types.QueryExecutionContext{Catalog: &c.Catalog, Database: &c.Database},
	}
	if c.OutputLocation != "" {
		in.ResultConfiguration = &types.ResultConfiguration{OutputLocation: &c.OutputLocation}
	}
	if c.Reuse > 0 {
		in.ResultReuseConfiguration = &types.ResultReuseConfiguration{ResultReuseByAgeConfiguration: &types.ResultReuseByAgeConfiguration{
			Enabled: true, MaxAgeInMinutes: aws.Int32(int32(max(c.Reuse/time.Minute, 1))),
		}}
	}
	out, err := c.api.StartQueryExecution(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.QueryExecutionId), nil
}

// wait waits until the statement has ended, and counts what it cost.
func (c *athenaConnector) wait(ctx context.Context, id string) error {
	for pause := c.Poll; ; pause = min(pause*2, 20*c.Poll) {
		out, err := c.api.GetQueryExecution(ctx, &athena.GetQueryExecutionInput{QueryExecutionId: &id})
		if ctx.Err() != nil {
			return c.stopped(id, ctx.Err())
		}
		if err != nil {
			return awsconn.Explained(fmt.Errorf("athena: ask for the state of %s: %w", id, err))
		}
		e := out.QueryExecution
		if e == nil || e.Status == nil {
			return fmt.Errorf("athena: execution %s has no status", id)
		}
		now := Statement{State: string(e.Status.State)}
		if s := e.Statistics; s != nil {
			now.ScannedBytes, now.DPUCount = aws.ToInt64(s.DataScannedInBytes), s.DpuCount
			now.Reused = s.ResultReuseInformation != nil && s.ResultReuseInformation.ReusedPreviousResult
		}
		switch e.Status.State {
		case types.QueryExecutionStateSucceeded:
			c.meter.note(now)
			return nil
		case types.QueryExecutionStateFailed, types.QueryExecutionStateCancelled:
			c.meter.note(now)
			return failure(id, e.Status)
		}
		if c.Cutoff > 0 && now.ScannedBytes > c.Cutoff {
			now.State = string(types.QueryExecutionStateCancelled)
			c.meter.note(now)
			return c.stopped(id, &Error{"athena", fmt.Sprintf("execution %s was stopped: it had scanned %d bytes, and may scan %d (engine.bytes_cutoff)", id, now.ScannedBytes, c.Cutoff), false})
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return c.stopped(id, ctx.Err())
		}
	}
}

// stopTime is how long stopping a statement may take when nobody waits for it
// any more.
const stopTime = 5 * time.Second

// stopped stops a statement, and returns why.
func (c *athenaConnector) stopped(id string, why error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	if _, err := c.api.StopQueryExecution(ctx, &athena.StopQueryExecutionInput{QueryExecutionId: &id}); err != nil {
		return fmt.Errorf("%w; and it could not be stopped: %w", why, err)
	}
	return why
}

// failure returns what Athena says of a statement that did not succeed.
func failure(id string, s *types.QueryExecutionStatus) error {
	text := firstLine(aws.ToString(s.StateChangeReason))
	user := false
	if e := s.AthenaError; e != nil {
		user = aws.ToInt32(e.ErrorCategory) == 2 // 1 system, 2 user, 3 other (API reference, AthenaError)
		if text == "" {
			text = firstLine(aws.ToString(e.ErrorMessage))
		}
	}
	return &Error{"athena", fmt.Sprintf("execution %s is %s: %s", id, s.State, text), user}
}

// athenaRows reads a result, 1,000 rows a call. What a cell is, its column's
// type says; all come as text.
type athenaRows struct {
	ctx     context.Context
	api     *athena.Client
	id      string
	columns []types.ColumnInfo
	page    []types.Row
	next    *string
	begun   bool
}

// fetch reads the next page. The first one begins with the columns' names.
func (r *athenaRows) fetch() error {
	out, err := r.api.GetQueryResults(r.ctx, &athena.GetQueryResultsInput{QueryExecutionId: &r.id, NextToken: r.next})
	if err != nil {
		return awsconn.Explained(fmt.Errorf("athena: read the result of %s: %w", r.id, err))
	}
	if out.ResultSet == nil || out.ResultSet.ResultSetMetadata == nil {
		return fmt.Errorf("athena: the result of %s has no columns", r.id)
	}
	r.page, r.next = out.ResultSet.Rows, out.NextToken
	if r.begun {
		return nil
	}
	r.begun = true
	r.columns = out.ResultSet.ResultSetMetadata.ColumnInfo
	if len(r.page) > 0 && r.isHeader(r.page[0]) {
		r.page = r.page[1:]
	}
	return nil
}

func (r *athenaRows) isHeader(row types.Row) bool {
	if len(row.Data) != len(r.columns) {
		return false
	}
	for i, c := range r.columns {
		if aws.ToString(row.Data[i].VarCharValue) != aws.ToString(c.Name) {
			return false
		}
	}
	return true
}

func (r *athenaRows) Columns() []string {
	names := make([]string, len(r.columns))
	for i, c := range r.columns {
		names[i] = aws.ToString(c.Name)
	}
	return names
}

func (r *athenaRows) Close() error {
	r.page, r.next = nil, nil
	return nil
}

func (r *athenaRows) ColumnTypeDatabaseTypeName(i int) string {
	return strings.ToUpper(aws.ToString(r.columns[i].Type))
}

func (r *athenaRows) Next(row []driver.Value) error {
	for len(r.page) == 0 {
		if r.next == nil {
			return io.EOF
		}
		if err := r.fetch(); err != nil {
			return err
		}
	}
	data := r.page[0].Data
	r.page = r.page[1:]
	for i, c := range r.columns {
		row[i] = nil
		if i >= len(data) || data[i].VarCharValue == nil {
			continue
		}
		v, err := athenaValue(strings.ToLower(aws.ToString(c.Type)), *data[i].VarCharValue)
		if err != nil {
			return fmt.Errorf("athena: column %s of %s: %w", aws.ToString(c.Name), r.id, err)
		}
		row[i] = v
	}
	return nil
}

// athenaValue reads a cell's text.
func athenaValue(kind, text string) (driver.Value, error) {
	switch kind {
	case "tinyint", "smallint", "integer", "bigint":
		return strconv.ParseInt(text, 10, 64)
	case "float", "real", "double":
		return strconv.ParseFloat(text, 64)
	case "boolean":
		return strconv.ParseBool(text)
	case "date":
		return time.Parse(time.DateOnly, text)
	case "timestamp":
		return time.Parse("2006-01-02 15:04:05", text) // takes a fraction too
	case "array":
		return athenaList(text), nil
	}
	return text, nil
}

// athenaList reads [1, 2, 3]. A list of texts cannot be told from its own
// commas, so everything but whole numbers stays a text.
func athenaList(text string) driver.Value {
	inner, ok := strings.CutPrefix(text, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !ok || !closed {
		return text
	}
	list := []any{}
	for part := range strings.SplitSeq(inner, ", ") {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return text
		}
		list = append(list, n)
	}
	return list
}

package engine

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/trinodb/trino-go-client/trino"
)

// Trino says where a Trino is.
type Trino struct {
	// URL is that of the coordinator, with the user's name, and a password
	// where HTTPS is used: https://ana@trino.example.com:8443.
	URL string

	Catalog, Schema string // of the lake's tables

	// Source is what Trino notes of who asked.
	Source string

	// AccessToken is a token (JWT) to sign in with; empty: none.
	AccessToken string
}

// Open returns a database over Trino. It makes no call until a statement is
// run. Errors of statements are [Error].
func (t Trino) Open() (*sql.DB, error) {
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, errors.New("trino: the URL cannot be read: want one such as http://user@localhost:8080") // what was written may hold a password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("trino: URL %s: want one such as http://user@localhost:8080", u.Redacted())
	}
	if _, has := u.User.Password(); has && u.Scheme == "http" {
		return nil, fmt.Errorf("trino: URL %s: a password is only sent over https", u.Redacted())
	}
	if err := errors.Join(checkName("catalog", t.Catalog), checkName("schema", t.Schema)); err != nil {
		return nil, fmt.Errorf("trino: %w", err)
	}
	connector, err := trino.NewConnector(&trino.Config{
		ServerURI: t.URL, Source: t.Source, Catalog: t.Catalog, Schema: t.Schema, TimeZone: "UTC", AccessToken: t.AccessToken,
	})
	if err != nil {
		return nil, fmt.Errorf("trino: URL %s: %w", u.Redacted(), trinoError(err))
	}
	return sql.OpenDB(trinoConnector{connector}), nil
}

// A trinoConnector is the client's own, with errors in its own words' place.
type trinoConnector struct {
	driver.Connector
}

func (c trinoConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, trinoError(err)
	}
	return trinoConn{conn}, nil
}

type trinoConn struct{ driver.Conn }

func (c trinoConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) > 0 {
		return nil, errParameters
	}
	prepares, ok := c.Conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, errors.New("trino: the client cannot run a statement")
	}
	stmt, err := prepares.PrepareContext(ctx, query) // it makes no call
	if err != nil {
		return nil, trinoError(err)
	}
	runs, ok := stmt.(driver.StmtQueryContext)
	if !ok {
		stmt.Close()
		return nil, errors.New("trino: the client cannot run a statement")
	}
	rows, err := runs.QueryContext(ctx, nil)
	if err != nil {
		stmt.Close()
		return nil, trinoError(err)
	}
	return trinoRows{rows, stmt}, nil
}

// trinoRows are the client's rows with its errors in plain words.
type trinoRows struct {
	driver.Rows
	stmt driver.Stmt
}

func (r trinoRows) Close() error { return trinoError(errors.Join(r.Rows.Close(), r.stmt.Close())) }

func (r trinoRows) Next(row []driver.Value) error { return trinoError(r.Rows.Next(row)) }

func (r trinoRows) ColumnTypeDatabaseTypeName(i int) string {
	if named, ok := r.Rows.(driver.RowsColumnTypeDatabaseTypeName); ok {
		return named.ColumnTypeDatabaseTypeName(i)
	}
	return ""
}

// trinoError takes what Trino said out of what the client made of it.
func trinoError(err error) error {
	var said *trino.ErrTrino
	var plain trino.ErrTrino
	switch {
	case err == nil:
		return nil
	case errors.As(err, &said):
		plain = *said
	case !errors.As(err, &plain):
		var failed *trino.ErrQueryFailed
		if errors.As(err, &failed) && failed.StatusCode != http.StatusOK {
			return &Error{Engine: "trino", Message: fmt.Sprintf("answered %d %s: %s", failed.StatusCode, http.StatusText(failed.StatusCode), firstLine(fmt.Sprint(failed.Reason)))}
		}
		return err
	}
	return &Error{Engine: "trino", Message: firstLine(plain.Message), User: plain.ErrorType == "USER_ERROR"}
}

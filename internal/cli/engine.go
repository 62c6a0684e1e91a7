package cli

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/config"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/ledger"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/setup"
)

// trinoToken is the environment variable with a token for Trino. It is no
// setting, so that nothing prints it.
const trinoToken = "ATHENATRAIL_TRINO_TOKEN"

// engineFlag adds --engine, which beats engine.name of the configuration.
func (a *app) engineFlag(f *pflag.FlagSet) {
	f.StringVar(&a.engine, "engine", "", "what runs the SQL: duckdb, athena or trino (default: engine.name of the configuration)")
}

// readsOn returns which engine a command reads with.
func (a *app) readsOn(e *setup.Env) (string, error) {
	if a.engine == "" {
		return e.Engine.Name, nil
	}
	if want := config.EngineName(a.engine); want != "" {
		return "", usage("--engine %s: want %s", a.engine, want)
	}
	return a.engine, nil
}

// withAnyEngine opens the lake on the engine that the command asks for.
func (a *app) withAnyEngine(ctx context.Context, do func(*setup.Env, *readLake) error) error {
	e, err := a.env(ctx)
	if err != nil {
		return err
	}
	name, err := a.readsOn(e)
	switch {
	case err != nil:
		return err
	case name == config.EngineDuckDB:
		return a.withReports(ctx, do)
	}
	return a.withEngine(ctx, e, name, do)
}

// withEngine opens the lake on a distributed engine, and says at the end what
// its statements cost. What the lake is complete to, its ledger tells.
func (a *app) withEngine(ctx context.Context, e *setup.Env, name string, do func(*setup.Env, *readLake) error) error {
	l, err := e.OldLake(ctx)
	if err != nil {
		return err
	}
	r := &readLake{Lake: l, ledger: ledger.New(l)}
	if r.completeTo, _, err = r.ledger.CompleteTo(ctx); err != nil {
		return err
	}
	var meter engine.Meter
	db, region, err := openEngine(ctx, e, name, &meter)
	if err != nil {
		return hint(err, "docs/engines.md says what --engine %s needs", name)
	}
	r.db = report.Over(db, e.Timezone)
	defer r.db.Close()
	return errors.Join(do(e, r), a.sayCost(e, region, meter.Statements()))
}

func openEngine(ctx context.Context, e *setup.Env, name string, meter *engine.Meter) (*sql.DB, string, error) {
	s := e.Engine
	if name == config.EngineTrino {
		if s.Catalog == "" {
			s.Catalog = "hive"
		}
		db, err := engine.Trino{URL: s.TrinoURL, Catalog: s.Catalog, Schema: s.Database, Source: e.UserAgent, AccessToken: os.Getenv(trinoToken)}.Open()
		return db, "", err
	}
	return e.Athena(ctx, meter)
}

// sayCost tells on stderr what Athena was asked, and what that costs by the
// table of prices.
func (a *app) sayCost(e *setup.Env, region string, statements []engine.Statement) error {
	if a.quiet || len(statements) == 0 {
		return nil
	}
	text, err := costText(e, region, statements)
	if err == nil {
		a.note("athena: %s", text)
	}
	return err
}

// costText says how many statements there were, what they scanned, and what that
// comes to by the table of prices.
func costText(e *setup.Env, region string, statements []engine.Statement) (string, error) {
	settings, err := e.Settings()
	if err != nil {
		return "", err
	}
	var scanned int64
	var total athenatrail.Money
	currency, reused, unknown := "", 0, 0
	for _, s := range statements {
		scanned += s.ScannedBytes
		if s.Reused {
			reused++
		}
		cost := settings.Prices.Statement(price.Execution{
			Region: region, Day: athenatrail.DateOf(time.Now()), State: s.State, StatementType: "DML", SubstatementType: "SELECT",
			ScannedBytes: &s.ScannedBytes, Reused: &s.Reused, DPUCount: s.DPUCount,
		})
		if cost.Amount == nil {
			unknown++
			continue
		}
		total, currency = total+*cost.Amount, cost.Currency
	}
	text := format.Counted(int64(len(statements)), "statement") + " scanned " + format.HumanBytes(scanned)
	if reused > 0 {
		text += fmt.Sprintf(", %d answered from an earlier result", reused)
	}
	if unknown < len(statements) {
		text += ", by the table of prices " + format.HumanMoney(json.Number(total.String()), currency)
	}
	if unknown > 0 {
		text += fmt.Sprintf(", %d of unknown cost", unknown)
	}
	return text, nil
}

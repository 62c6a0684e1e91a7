package web_test

import (
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/athenatrail/athenatrail/internal/web"
)

// TestGrafanaAsksForWhatThereIs asks all that the dashboard for Grafana asks: a
// view, parameter, column or metric that is renamed would leave it empty.
func TestGrafanaAsksForWhatThereIs(t *testing.T) {
	data, err := os.ReadFile("../../deploy/grafana/athenatrail.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Inputs []struct{ Name string } `json:"__inputs"`
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct {
				Datasource   struct{ UID string }
				URL          string
				Options      struct{ Params []struct{ Key, Value string } } `json:"url_options"`
				RootSelector string                                         `json:"root_selector"`
				Columns      []struct{ Selector, Type string }
				Expr         string
			}
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	inputs := map[string]bool{}
	for _, in := range board.Inputs {
		inputs["${"+in.Name+"}"] = true
	}
	s := open(t, web.Options{})
	doc, err := openapi3.NewLoader().LoadFromData([]byte(s.get("/api/v1/openapi.json").body))
	if err != nil {
		t.Fatal(err)
	}
	if r := s.get("/people?" + all); r.code != 200 {
		t.Fatal(r.body)
	}
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	metrics := s.get("/metrics").body
	metric := regexp.MustCompile(`athenatrail_\w+`)
	times := strings.NewReplacer("${__from:date:iso}", "2026-10-26T00:00:00.000Z", "${__to:date:iso}", "2026-11-03T00:00:00.000Z")
	asked, seen := 0, map[int]bool{}
	for _, p := range board.Panels {
		if seen[p.ID] || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || len(p.Targets) == 0 {
			t.Errorf("the panel %q has an id of another, no place or no target", p.Title)
		}
		seen[p.ID] = true
		for _, q := range p.Targets {
			asked++
			if !inputs[q.Datasource.UID] {
				t.Errorf("%s: the data source %s is none of the inputs", p.Title, q.Datasource.UID)
			}
			if q.Expr != "" {
				names := metric.FindAllString(q.Expr, -1)
				if len(names) == 0 {
					t.Errorf("%s: %s names no metric", p.Title, q.Expr)
				}
				for _, name := range names {
					// Failures of views are there from the first one on; the server's
					// source has the name.
					if !strings.Contains(metrics, name) && !strings.Contains(string(source), `"`+name+`"`) {
						t.Errorf("%s: there is no metric %s", p.Title, name)
					}
				}
				continue
			}
			values := url.Values{}
			for _, param := range q.Options.Params {
				values.Set(param.Key, times.Replace(param.Value))
			}
			if q.RootSelector != "rows" || !strings.HasPrefix(q.URL, "/api/v1/views/") {
				t.Errorf("%s: asks %s for %s", p.Title, q.URL, q.RootSelector)
				continue
			}
			if doc.Paths.Find(q.URL) == nil {
				t.Errorf("%s: the description of the API has no %s", p.Title, q.URL)
			}
			rows := s.rows(q.URL + "?" + values.Encode())
			if len(rows) == 0 {
				t.Errorf("%s: %s has no rows", p.Title, q.URL)
				continue
			}
			for _, c := range q.Columns {
				v, ok := rows[0][c.Selector]
				if _, number := v.(json.Number); !ok || v != nil && number != (c.Type == "number") {
					t.Errorf("%s: %s of %s is %v, and shown as a %s", p.Title, c.Selector, q.URL, v, c.Type)
				}
			}
		}
	}
	if asked < 12 {
		t.Errorf("only %d questions", asked)
	}
}

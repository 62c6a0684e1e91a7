package evidence

import (
	"encoding/json"
	"time"

	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/report"
)

// JSON returns the story for encoding/json: rows with the columns of their
// tables, the ladder, and the start event as it was recorded.
func (s *Story) JSON() any {
	if s.Spark() {
		return s.sparkJSON()
	}
	return s.executionJSON()
}

func (s *Story) executionJSON() any {
	w := s.Who
	type execution struct {
		Date    string          `json:"dt"`
		Row     any             `json:"query_execution"`
		Ladder  []jsonStep      `json:"ladder"`
		ToolWhy string          `json:"tool_why,omitempty"`
		Record  json.RawMessage `json:"start_event,omitempty"`
	}
	answer := struct {
		ID         string        `json:"id"`
		Executions []execution   `json:"executions"`
		SQL        *string       `json:"query_string"`
		Activity   []any         `json:"activity"`
		Polls      []report.Poll `json:"polls"`
		More       bool          `json:"more_activity"`
	}{ID: w.ID, Executions: []execution{}, Activity: []any{}, Polls: w.Polls, More: w.More}
	if w.Text != nil {
		answer.SQL = &w.Text.QueryString
	}
	for i, x := range w.Executions {
		c := s.ExecutionChains[i]
		answer.Executions = append(answer.Executions, execution{x.Date.String(), report.RowJSON(x.QueryExecution), jsonSteps(c.Steps), c.Why(), c.Record})
	}
	for _, row := range w.Activity {
		answer.Activity = append(answer.Activity, report.RowJSON(row))
	}
	return answer
}

type jsonStep struct {
	Rung     string         `json:"rung"`
	Answered bool           `json:"answered"`
	Why      string         `json:"why"`
	Evidence []jsonEvidence `json:"evidence,omitempty"`
}

type jsonEvidence struct {
	EventID   string     `json:"event_id,omitempty"`
	EventName string     `json:"event_name,omitempty"`
	AccountID string     `json:"account_id,omitempty"`
	Time      *time.Time `json:"event_time,omitempty"`
	Says      string     `json:"says"`
}

func jsonSteps(steps []identity.Step) []jsonStep {
	out := []jsonStep{}
	for _, s := range steps {
		step := jsonStep{Rung: s.Rung, Answered: s.Answered, Why: s.Why}
		for _, e := range s.Evidence {
			evidence := jsonEvidence{EventID: e.EventID, EventName: e.EventName, AccountID: e.AccountID, Says: e.Says}
			if !e.Time.IsZero() {
				evidence.Time = &e.Time
			}
			step.Evidence = append(step.Evidence, evidence)
		}
		out = append(out, step)
	}
	return out
}

func (s *Story) sparkJSON() any {
	type row struct {
		Date         string          `json:"dt"`
		Session      any             `json:"session,omitempty"`
		Calculation  any             `json:"calculation,omitempty"`
		NotebookName *string         `json:"notebook_name,omitempty"`
		Ladder       []jsonStep      `json:"ladder,omitempty"`
		ToolWhy      string          `json:"tool_why,omitempty"`
		Record       json.RawMessage `json:"start_event,omitempty"`
	}
	answer := struct {
		ID           string        `json:"id"`
		Kind         string        `json:"kind"`
		Sessions     []row         `json:"sessions"`
		Calculations []row         `json:"calculations"`
		Activity     []any         `json:"activity"`
		Polls        []report.Poll `json:"polls"`
		More         bool          `json:"more_activity"`
	}{ID: s.ID, Kind: s.Kind, Sessions: []row{}, Calculations: []row{}, Activity: []any{}, Polls: s.Polls, More: s.More}
	for i, x := range s.Sessions {
		r := row{Date: x.Date.String(), Session: report.RowJSON(x.Session), Ladder: jsonSteps(s.SessionChains[i].Steps), ToolWhy: s.SessionChains[i].Why(), Record: s.SessionChains[i].Record}
		if x.NotebookName != "" {
			r.NotebookName = &x.NotebookName
		}
		answer.Sessions = append(answer.Sessions, r)
	}
	for i, x := range s.Calculations {
		r := row{Date: x.Date.String(), Calculation: report.RowJSON(x.Calculation)}
		if i < len(s.CalculationChains) {
			r.Ladder, r.ToolWhy, r.Record = jsonSteps(s.CalculationChains[i].Steps), s.CalculationChains[i].Why(), s.CalculationChains[i].Record
		}
		answer.Calculations = append(answer.Calculations, r)
	}
	for _, a := range s.Activity {
		answer.Activity = append(answer.Activity, report.RowJSON(a))
	}
	return answer
}

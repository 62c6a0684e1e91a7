package systemtable

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
)

// A kind says what a member of the API's answer is.
type kind int

const (
	text kind = iota
	number
	moment // seconds since 1970, in the API's JSON
	truth
)

// members are those of the API's answer that rows are derived from (API
// reference, QueryExecution), by path, with the other names that a column may
// have: this program's own, which are the table's where AWS documents them.
var members = []struct {
	path  string
	is    kind
	names []string
}{
	{"QueryExecutionId", text, nil},
	{"Query", text, []string{"query_string"}},
	{"WorkGroup", text, []string{"work_group_name"}},
	{"StatementType", text, nil},
	{"SubstatementType", text, nil},
	{"QueryExecutionContext.Catalog", text, []string{"catalog_name"}},
	{"QueryExecutionContext.Database", text, []string{"database_name"}},
	{"Status.State", text, nil},
	{"Status.StateChangeReason", text, nil},
	{"Status.SubmissionDateTime", moment, nil},
	{"Status.CompletionDateTime", moment, nil},
	{"Status.AthenaError.ErrorCategory", number, nil},
	{"Status.AthenaError.ErrorType", number, nil},
	{"Status.AthenaError.ErrorMessage", text, nil},
	{"Statistics.EngineExecutionTimeInMillis", number, []string{"engine_execution_time_ms", "engine_ms"}},
	{"Statistics.DataScannedInBytes", number, []string{"data_scanned_bytes"}},
	{"Statistics.TotalExecutionTimeInMillis", number, []string{"total_execution_time_ms", "total_ms"}},
	{"Statistics.QueryQueueTimeInMillis", number, []string{"query_queue_time_ms", "queue_ms"}},
	{"Statistics.ServicePreProcessingTimeInMillis", number, []string{"service_pre_processing_time_ms"}},
	{"Statistics.QueryPlanningTimeInMillis", number, []string{"query_planning_time_ms", "planning_ms"}},
	{"Statistics.ServiceProcessingTimeInMillis", number, []string{"service_processing_time_ms", "service_ms"}},
	{"Statistics.DpuCount", number, nil},
	{"Statistics.ResultReuseInformation.ReusedPreviousResult", truth, []string{"reused_result"}},
	{"EngineVersion.EffectiveEngineVersion", text, []string{"engine_version"}},
	{"EngineVersion.SelectedEngineVersion", text, nil},
}

// norm is a name without what spellings differ in.
func norm(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "") }

// byName gives the member that a column, or a nested member, of a name is.
var byName = func() map[string]int {
	names := map[string]int{}
	for i, m := range members {
		last := m.path[strings.LastIndexByte(m.path, '.')+1:]
		for _, name := range append([]string{last, strings.ReplaceAll(m.path, ".", "")}, m.names...) {
			names[norm(name)] = i
		}
	}
	return names
}()

// parents are the names that objects around members have.
var parents = func() map[string]bool {
	names := map[string]bool{}
	for _, m := range members {
		parts := strings.Split(m.path, ".")
		for _, part := range parts[:len(parts)-1] {
			names[norm(part)] = true
		}
	}
	return names
}()

// known tells whether a column is of use.
func known(column string) bool {
	_, is := byName[norm(column)]
	return is || parents[norm(column)]
}

// answerOf makes what the API would answer of a row. What is NULL, missing or
// of another type is left out.
func answerOf(names []string, cells []any) map[string]any {
	answer := map[string]any{"Source": Source}
	for i, name := range names {
		take(answer, name, cells[i])
	}
	return answer
}

func take(answer map[string]any, name string, v any) {
	if i, is := byName[norm(name)]; is {
		if v := valueOf(members[i].is, v); v != nil {
			put(answer, members[i].path, v)
			return
		}
	}
	if !parents[norm(name)] {
		return
	}
	nested, is := v.(map[string]any)
	if s, isText := v.(string); isText {
		dec := json.NewDecoder(strings.NewReader(s))
		dec.UseNumber()
		is = dec.Decode(&nested) == nil
	}
	if is {
		for _, name := range slices.Sorted(maps.Keys(nested)) {
			take(answer, name, nested[name])
		}
	}
}

func put(answer map[string]any, path string, v any) {
	for {
		first, rest, more := strings.Cut(path, ".")
		if !more {
			if _, twice := answer[first]; !twice {
				answer[first] = v
			}
			return
		}
		inner, is := answer[first].(map[string]any)
		if !is {
			inner = map[string]any{}
			answer[first] = inner
		}
		answer, path = inner, rest
	}
}

// valueOf returns a cell as the API's JSON has it, nil for none.
func valueOf(is kind, v any) any {
	switch v := v.(type) {
	case string:
		switch is {
		case text:
			if v != "" {
				return v
			}
		case number:
			if n := json.Number(v); isNumber(n) {
				return n
			}
		case truth:
			if v == "true" || v == "false" {
				return v == "true"
			}
		case moment:
			if n := json.Number(v); isNumber(n) {
				return n
			}
			for _, layout := range []string{"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", time.RFC3339} { // each takes a fraction
				if t, err := time.Parse(layout, v); err == nil {
					return seconds(t)
				}
			}
		}
	case time.Time:
		if is == moment {
			return seconds(v)
		}
	case bool:
		if is == truth {
			return v
		}
	case int64, float64, json.Number:
		if is == number || is == moment {
			return v
		}
	}
	return nil
}

func isNumber(n json.Number) bool {
	_, err := n.Float64()
	return err == nil && json.Valid([]byte(n))
}

func seconds(t time.Time) any { return float64(t.UnixMilli()) / 1000 }

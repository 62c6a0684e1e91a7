package web

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/athenatrail/athenatrail/internal/format"
	"github.com/athenatrail/athenatrail/internal/health"
	"github.com/athenatrail/athenatrail/internal/meter"
	"github.com/athenatrail/athenatrail/internal/report"
)

// An object is a JSON object; encoding/json writes its keys in order.
type object = map[string]any

// apiDocument serves the description of the API.
func (s *Server) apiDocument(w http.ResponseWriter, r *http.Request, _ *principal) {
	body, err := json.MarshalIndent(Document(s.o.Version), "", "  ")
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.send(w, r, http.StatusOK, append(body, '\n'))
}

// Document describes the API as OpenAPI 3.1 has it, made from the registry of
// views: each is a path of its own, with its parameters and columns.
func Document(version string) object {
	if version == "" {
		version = "devel"
	}
	paths := object{
		"/api/v1/views/" + limitsView:       object{"get": operation("view_limits", "how everybody stands with what they may use, as of now", []object{parameter("format")}, resultSchema(nil))},
		"/api/v1/views/" + limitActionsView: object{"get": operation("view_limit_actions", "what was done because of limits in the last 30 days, the newest first", []object{parameter("format")}, resultSchema(nil))},
		"/api/v1/views/" + meter.AnomaliesView: object{"get": operation("view_anomalies", meter.AnomaliesSummary,
			[]object{parameter("from"), parameter("to"), parameter("limit"), parameter("format")}, resultSchema(meter.AnomalyColumns))},
		"/api/v1/queries": object{"get": operation("queries", "executions one by one, a page at a time; the header Link has the next page", searchParameters(), resultSchema(nil))},
		"/api/v1/queries/{id}": object{"get": operation("query", "everything known of one execution, session, calculation or event, with the evidence", []object{{
			"name": "id", "in": "path", "required": true, "description": "the id, or the first eight characters of it", "schema": object{"type": "string", "minLength": 8, "maxLength": 200},
		}}, object{"type": "object"})},
	}
	for _, v := range health.Views {
		paths["/api/v1/views/"+v.Name] = object{"get": operation("view_"+v.Name, v.Summary, []object{parameter("format")}, resultSchema(v.Columns))}
	}
	for _, v := range report.Views() {
		paths["/api/v1/views/"+v.Name] = object{"get": operation("view_"+v.Name, v.Summary, viewParameters(v), resultSchema(v.Columns))}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "athenatrail", "version": version,
			"description": "Who ran what in Amazon Athena, what it scanned, and what it cost. Every view of the command line, with the same parameters and columns. Bytes and milliseconds are integers, money is an exact decimal in the currency of its row, times are RFC 3339 in UTC, and what is unknown is null.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"paths": paths,
		"components": object{
			"schemas": object{"Error": object{
				"type": "object", "required": []string{"error", "status"},
				"properties": object{"error": object{"type": "string"}, "status": object{"type": "integer"}},
			}},
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
		"security": []object{{}, {"token": []string{}}},
	}
}

func operation(id, summary string, parameters []object, result object) object {
	failure := func(text string) object {
		return object{"description": text, "content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}}}
	}
	return object{
		"operationId": id, "summary": summary, "parameters": parameters,
		"responses": object{
			"200": object{"description": "the answer", "content": object{"application/json": object{"schema": result}, "text/csv": object{"schema": object{"type": "string"}}}},
			"400": failure("what was asked makes no sense; the sentence says why"),
			"401": failure("who asks is not known"),
			"403": failure("the role does not see this"),
			"404": failure("there is no such thing"),
			"429": failure("too many requests at once"),
			"503": failure("the lake cannot be read"),
		},
	}
}

var parameterTexts = map[string][2]string{
	"from":   {"string", "from this time on: 2026-11-01, an RFC 3339 time, 7d, yesterday; by default seven days before to"},
	"to":     {"string", "before this time; by default the moment up to which the lake is complete"},
	"limit":  {"integer", "at most so many rows, 0 for all"},
	"sort":   {"string", "a column to sort by, -column for the greatest first"},
	"probes": {"boolean", "count probes such as SELECT 1 in rankings"},
	"own":    {"boolean", "count athenatrail's own queries in rankings"},
	"q":      {"string", "words that all have to stand in the SQL; in double quotes those that belong together"},
	"table":  {"string", "executions that touched this table, by its full name"},
	"after":  {"string", "where the page before ended, as its Link header says"},
}

func parameter(name string) object {
	if name == "format" {
		return object{"name": name, "in": "query", "description": "how the answer is written", "schema": object{"type": "string", "enum": []string{"json", "jsonl", "csv", "markdown"}, "default": "json"}}
	}
	text := parameterTexts[name]
	schema := object{"type": text[0]}
	if text[0] == "integer" {
		schema["minimum"] = 0
	}
	return object{"name": name, "in": "query", "description": text[1], "schema": schema}
}

func whereParameter(columns []string) object {
	return object{"name": "where", "in": "query", "description": "column=value or column!=value; * stands for any text, no value for NULL; repeatable, of several = on one column one has to hold. Columns: " + strings.Join(columns, ", "),
		"schema": object{"type": "array", "items": object{"type": "string"}}, "style": "form", "explode": true}
}

func viewParameters(v report.View) []object {
	list := []object{parameter("from"), parameter("to"), whereParameter(v.Where)}
	if v.Argument != "" {
		list = append(list, object{"name": "arg", "in": "query", "required": true, "description": "what the view is about: " + v.Argument, "schema": object{"type": "string"}})
	}
	if len(v.By) > 0 {
		list = append(list, object{"name": "by", "in": "query", "required": len(v.DefaultBy) == 0, "description": "what to group by, with commas between",
			"schema": object{"type": "array", "items": object{"type": "string", "enum": v.By}}, "style": "form", "explode": false})
	}
	for _, name := range []string{"limit", "sort", "probes", "own", "format"} {
		list = append(list, parameter(name))
	}
	return list
}

func searchParameters() []object {
	view, err := report.Lookup("queries")
	if err != nil {
		panic(err) // the registry has it
	}
	list := []object{parameter("from"), parameter("to"), whereParameter(view.Where)}
	for _, name := range []string{"q", "table", "sort", "after", "limit", "probes", "own", "format"} {
		list = append(list, parameter(name))
	}
	return list
}

// resultSchema describes a result with the columns of a view; by adds others.
func resultSchema(columns []format.Column) object {
	properties := object{}
	for _, c := range columns {
		schema := object{"type": []string{kindType(c.Kind), "null"}}
		switch c.Kind {
		case format.Time, format.Minute:
			schema["format"] = "date-time"
		case format.Date:
			schema["format"] = "date"
		case format.Value:
			schema = object{}
		}
		if c.Help != "" {
			schema["description"] = c.Help
		}
		properties[c.Name] = schema
	}
	row := object{"type": "object"}
	if len(properties) > 0 {
		row["properties"] = properties
	}
	moment := object{"type": []string{"string", "null"}, "format": "date-time"}
	return object{
		"type": "object", "required": []string{"view", "from", "to", "timezone", "complete_to", "rows", "truncated"},
		"properties": object{
			"view": object{"type": "string"}, "from": moment, "to": moment, "timezone": object{"type": "string"}, "complete_to": moment,
			"rows": object{"type": "array", "items": row}, "truncated": object{"type": "boolean", "description": "a limit cut the rows"},
		},
	}
}

func kindType(k format.Kind) string {
	switch k {
	case format.Count, format.Bytes, format.Millis:
		return "integer"
	case format.Money, format.Percent, format.Change, format.MB, format.Number:
		return "number"
	case format.Bool:
		return "boolean"
	}
	return "string"
}

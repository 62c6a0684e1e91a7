package athenaapitest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	athenaTarget = "AmazonAthena."
	jsonType     = "application/x-amz-json-1.1"
	maxPage      = 50
	primary      = "primary" // the work group that always exists
)

var (
	idPattern        = regexp.MustCompile(`^\S{1,128}$`)
	workGroupPattern = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,128}$`)
)

// A request holds the members of every operation's input that is answered.
type request struct {
	QueryExecutionId  *string
	QueryExecutionIds []string
	WorkGroup         *string
	MaxResults        *int
	NextToken         *string

	SessionId              *string
	CalculationExecutionId *string
	NotebookId             *string
	StateFilter            *string
	ResourceARN            *string

	State                *string
	ConfigurationUpdates *struct {
		BytesScannedCutoffPerQuery       *int64
		RemoveBytesScannedCutoffPerQuery *bool
	}

	QueryString              *string
	ClientRequestToken       *string
	QueryExecutionContext    *Context
	ResultConfiguration      *ResultConfiguration
	ResultReuseConfiguration *ResultReuse
}

type operation func(s *Server, c Call, in request) (any, *apiError)

var operations = map[string]operation{
	"BatchGetQueryExecution": (*Server).batchGetQueryExecution,
	"GetQueryExecution":      (*Server).getQueryExecution,
	"GetQueryResults":        (*Server).getQueryResults,
	"StartQueryExecution":    (*Server).startQueryExecution,
	"ListQueryExecutions":    (*Server).listQueryExecutions,
	"StopQueryExecution":     (*Server).stopQueryExecution,
	"GetWorkGroup":           (*Server).getWorkGroup,
	"UpdateWorkGroup":        (*Server).updateWorkGroup,
	"ListWorkGroups":         (*Server).listWorkGroups,

	"TerminateSession":            (*Server).terminateSession,
	"GetSession":                  (*Server).getSession,
	"GetSessionStatus":            (*Server).getSessionStatus,
	"GetCalculationExecution":     (*Server).getCalculationExecution,
	"GetCalculationExecutionCode": (*Server).getCalculationExecutionCode,
	"ListSessions":                (*Server).listSessions,
	"ListNotebookSessions":        (*Server).listNotebookSessions,
	"ListCalculationExecutions":   (*Server).listCalculationExecutions,
	"ListTagsForResource":         (*Server).listTagsForResource,
}

func (s *Server) serveAthena(w http.ResponseWriter, r *http.Request, target string, body []byte) {
	name, ours := strings.CutPrefix(target, athenaTarget)
	op := operations[name]
	if !ours || op == nil {
		writeJSONError(w, &apiError{status: http.StatusBadRequest, code: "UnknownOperationException"})
		return
	}
	key, region, refused := s.authenticate(r, body, "athena")
	if refused != nil {
		writeJSONError(w, refused)
		return
	}
	if r.Header.Get("Content-Type") != jsonType {
		writeJSONError(w, &apiError{status: http.StatusNotFound, code: "UnknownOperationException"})
		return
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		writeJSONError(w, &apiError{status: http.StatusBadRequest, code: "SerializationException", message: err.Error()})
		return
	}
	c := Call{Service: "athena", Operation: name, Account: key.Account, Region: region, PrincipalARN: key.ARN, IDs: in.QueryExecutionIds, UserAgent: r.UserAgent()}
	for _, id := range []*string{in.QueryExecutionId, in.SessionId, in.CalculationExecutionId, in.NotebookId} {
		if id != nil {
			c.IDs = append(c.IDs, *id)
		}
	}
	if in.WorkGroup != nil {
		c.WorkGroup = *in.WorkGroup
	} else if name == "ListQueryExecutions" {
		c.WorkGroup = primary
	}
	if refused := s.admit(r, &c); refused != nil {
		writeJSONError(w, refused)
		return
	}
	out, refused := op(s, c, in)
	if refused != nil {
		writeJSONError(w, refused)
		return
	}
	s.count(name, func(n *Counts) { n.IDs += len(c.IDs) })
	writeJSON(w, http.StatusOK, out)
}

// execution returns what the account's caller may learn of an id now.
func (s *Server) execution(c Call, id string) (Execution, bool) {
	if e, ok := s.started(c, id); ok {
		return e, true
	}
	e, ok := s.config.Lookup(c.Account, c.Region, id)
	now := s.config.Now()
	submitted := e.Status.SubmittedAt.Time
	if !ok || submitted.After(now) || now.Sub(submitted) > HistoryDays*24*time.Hour {
		return Execution{}, false
	}
	s.mu.Lock()
	at, stopped := s.stopped[stopKey{c.Account, c.Region, id}]
	s.mu.Unlock()
	if stopped && !now.Before(at) {
		e = e.At(at)
		e.Status.State, e.Status.CompletedAt = "CANCELLED", Epoch{at}
		e.Status.Reason = "Query was cancelled by the user"
		return e, true
	}
	return e.At(now), true
}

func (s *Server) batchGetQueryExecution(c Call, in request) (any, *apiError) {
	if n := len(in.QueryExecutionIds); n < 1 || n > MaxBatch {
		side := "greater than or equal to 1"
		if n > 0 {
			side = "less than or equal to 50"
		}
		return nil, invalidRequest("1 validation error detected: Value at 'queryExecutionIds' failed to satisfy constraint: Member must have length %s", side)
	}
	type unprocessed struct {
		QueryExecutionId, ErrorCode, ErrorMessage string
	}
	out := struct {
		QueryExecutions              []Execution
		UnprocessedQueryExecutionIds []unprocessed
	}{[]Execution{}, []unprocessed{}}

	// An id that is asked for twice is answered once, and the order is not
	// that of the request: Athena promises neither.
	ids := slices.Compact(slices.Sorted(slices.Values(in.QueryExecutionIds)))
	allowed := map[string]bool{}
	may := func(workGroup string) bool {
		ok, known := allowed[workGroup]
		if !known {
			c.WorkGroup = workGroup
			ok = !s.denied(c)
			allowed[workGroup] = ok
		}
		return ok
	}
	for _, id := range ids {
		if !idPattern.MatchString(id) {
			return nil, invalidRequest("1 validation error detected: Value '%s' at 'queryExecutionIds' failed to satisfy constraint: Member must satisfy regular expression pattern: \\S+", id)
		}
		e, ok := s.execution(c, id)
		if !ok {
			out.UnprocessedQueryExecutionIds = append(out.UnprocessedQueryExecutionIds, unprocessed{id, s.config.UnprocessedCode, notFound(id).message})
			continue
		}
		group := cmp.Or(e.WorkGroup, primary)
		if may(group) {
			out.QueryExecutions = append(out.QueryExecutions, e)
			continue
		}
		c.WorkGroup = group
		refused := accessDenied(c)
		if !s.config.DeniedUnprocessed {
			return nil, refused
		}
		out.UnprocessedQueryExecutionIds = append(out.UnprocessedQueryExecutionIds, unprocessed{id, refused.code, refused.message})
	}
	// A call that found nothing was still allowed or not, for all groups.
	if len(allowed) == 0 && !may("") {
		c.WorkGroup = ""
		return nil, accessDenied(c)
	}
	return out, nil
}

func (s *Server) getQueryExecution(c Call, in request) (any, *apiError) {
	e, refused := s.one(c, in)
	if refused != nil {
		return nil, refused
	}
	return struct{ QueryExecution Execution }{e}, nil
}

// StopQueryExecution is idempotent: a final execution is left as it is.
func (s *Server) stopQueryExecution(c Call, in request) (any, *apiError) {
	e, refused := s.one(c, in)
	if refused != nil {
		return nil, refused
	}
	if s.stopRun(c, e.ID) {
		return struct{}{}, nil
	}
	if !e.Final() {
		k := stopKey{c.Account, c.Region, e.ID}
		now := s.config.Now()
		s.mu.Lock()
		if _, again := s.stopped[k]; !again {
			s.stopped[k] = now
		}
		s.mu.Unlock()
	}
	return struct{}{}, nil
}

func (s *Server) one(c Call, in request) (Execution, *apiError) {
	if in.QueryExecutionId == nil || !idPattern.MatchString(*in.QueryExecutionId) {
		return Execution{}, invalidRequest("1 validation error detected: Value at 'queryExecutionId' failed to satisfy constraint: Member must satisfy regular expression pattern: \\S+")
	}
	e, ok := s.execution(c, *in.QueryExecutionId)
	c.WorkGroup = ""
	if ok {
		c.WorkGroup = cmp.Or(e.WorkGroup, primary)
	}
	if s.denied(c) {
		return Execution{}, accessDenied(c)
	}
	if !ok {
		return Execution{}, notFound(*in.QueryExecutionId)
	}
	return e, nil
}

func (s *Server) listQueryExecutions(c Call, in request) (any, *apiError) {
	if _, refused := s.workGroup(c); refused != nil {
		return nil, refused
	}
	var ids []string
	if s.config.List != nil {
		for _, id := range s.config.List(c.Account, c.Region, c.WorkGroup) {
			if _, ok := s.execution(c, id); ok {
				ids = append(ids, id)
			}
		}
	}
	page, next, refused := paginate(c, in, maxPage, ids, func(id string) string { return id })
	if refused != nil {
		return nil, refused
	}
	return struct {
		QueryExecutionIds []string
		NextToken         string `json:",omitempty"`
	}{page, next}, nil
}

type workGroupJSON struct {
	Name          string
	State         string
	Description   string            `json:",omitempty"`
	CreationTime  Epoch             `json:"CreationTime,omitzero"`
	Configuration *workGroupDetails `json:",omitempty"`

	IdentityCenterApplicationArn string `json:",omitempty"`
}

type workGroupDetails struct {
	EnforceWorkGroupConfiguration   bool
	PublishCloudWatchMetricsEnabled bool
	RequesterPaysEnabled            bool
	BytesScannedCutoffPerQuery      int64 `json:",omitempty"`
	EngineVersion                   EngineVersion
	ExecutionRole                   string            `json:",omitempty"`
	ResultConfiguration             *workGroupResult  `json:",omitempty"`
	EngineConfiguration             *workGroupEngine  `json:",omitempty"`
	IdentityCenterConfiguration     *workGroupTrusted `json:",omitempty"`
}

type workGroupResult struct {
	OutputLocation          string               `json:",omitempty"`
	EncryptionConfiguration *workGroupEncryption `json:",omitempty"`
}

type workGroupEncryption struct {
	EncryptionOption string
	KmsKey           string `json:",omitempty"`
}

type workGroupEngine struct{ SparkProperties map[string]string }

type workGroupTrusted struct{ EnableIdentityCenter bool }

// details are what GetWorkGroup tells beyond [WorkGroup.wire].
func (g WorkGroup) details() *workGroupDetails {
	d := &workGroupDetails{
		EnforceWorkGroupConfiguration:   g.Name != primary && !g.NotEnforced,
		PublishCloudWatchMetricsEnabled: g.Name != primary,
		RequesterPaysEnabled:            g.RequesterPays,
		BytesScannedCutoffPerQuery:      g.BytesScannedCutoff,
		EngineVersion:                   EngineVersion{"AUTO", cmp.Or(g.Engine, "Athena engine version 3")},
		ExecutionRole:                   g.ExecutionRole,
	}
	if g.OutputLocation != "" || g.EncryptionOption != "" {
		d.ResultConfiguration = &workGroupResult{OutputLocation: g.OutputLocation}
		if g.EncryptionOption != "" {
			d.ResultConfiguration.EncryptionConfiguration = &workGroupEncryption{g.EncryptionOption, g.KMSKey}
		}
	}
	if len(g.SparkProperties) > 0 {
		d.EngineConfiguration = &workGroupEngine{g.SparkProperties}
	}
	if g.IdentityCenterApplication != "" {
		d.IdentityCenterConfiguration = &workGroupTrusted{true}
	}
	return d
}

func (g WorkGroup) wire() workGroupJSON {
	w := workGroupJSON{Name: g.Name, State: cmp.Or(g.State, "ENABLED"), Description: g.Description}
	if !g.CreatedAt.IsZero() {
		w.CreationTime = Epoch{g.CreatedAt}
	}
	return w
}

func (s *Server) workGroups(c Call) []WorkGroup {
	if s.config.WorkGroups == nil {
		return []WorkGroup{{Name: primary}}
	}
	return s.config.WorkGroups(c.Account, c.Region)
}

// workGroup returns the work group that a call names, if it may.
func (s *Server) workGroup(c Call) (WorkGroup, *apiError) {
	if !workGroupPattern.MatchString(c.WorkGroup) {
		return WorkGroup{}, invalidRequest("1 validation error detected: Value '%s' at 'workGroup' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9._-]{1,128}", c.WorkGroup)
	}
	if s.denied(c) {
		return WorkGroup{}, accessDenied(c)
	}
	if s.config.WorkGroups == nil {
		return s.asChanged(c, WorkGroup{Name: c.WorkGroup}), nil
	}
	for _, g := range s.workGroups(c) {
		if g.Name == c.WorkGroup {
			return s.asChanged(c, g), nil
		}
	}
	return WorkGroup{}, invalidRequest("WorkGroup %s is not found.", c.WorkGroup)
}

func (s *Server) getWorkGroup(c Call, _ request) (any, *apiError) {
	g, refused := s.workGroup(c)
	if refused != nil {
		return nil, refused
	}
	w := g.wire()
	w.Configuration, w.IdentityCenterApplicationArn = g.details(), g.IdentityCenterApplication
	return struct{ WorkGroup workGroupJSON }{w}, nil
}

// A workGroupChange is what UpdateWorkGroup made of a work group.
type workGroupChange struct {
	state  string // empty: as it was
	cutoff *int64 // nil: as it was; 0: none
}

func (s *Server) asChanged(c Call, g WorkGroup) WorkGroup {
	s.mu.Lock()
	defer s.mu.Unlock()
	change := s.changed[stopKey{c.Account, c.Region, g.Name}]
	g.State = cmp.Or(change.state, g.State)
	if change.cutoff != nil {
		g.BytesScannedCutoff = *change.cutoff
	}
	return g
}

// minCutoff is the least BytesScannedCutoffPerQuery (API reference,
// WorkGroupConfigurationUpdates).
const minCutoff = 10_000_000

// updateWorkGroup changes a work group's state and cutoff, the only members
// that are looked at. It refuses what both sets and removes the cutoff.
func (s *Server) updateWorkGroup(c Call, in request) (any, *apiError) {
	g, refused := s.workGroup(c)
	if refused != nil {
		return nil, refused
	}
	s.mu.Lock()
	change := s.changed[stopKey{c.Account, c.Region, g.Name}]
	s.mu.Unlock()
	if in.State != nil {
		if *in.State != "ENABLED" && *in.State != "DISABLED" {
			return nil, invalidRequest("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [DISABLED, ENABLED]", *in.State)
		}
		if g.Name == primary && *in.State == "DISABLED" {
			return nil, invalidRequest("The primary workgroup cannot be disabled")
		}
		change.state = *in.State
	}
	if u := in.ConfigurationUpdates; u != nil {
		remove := u.RemoveBytesScannedCutoffPerQuery != nil && *u.RemoveBytesScannedCutoffPerQuery
		switch n := u.BytesScannedCutoffPerQuery; {
		case n != nil && remove:
			return nil, invalidRequest("BytesScannedCutoffPerQuery and RemoveBytesScannedCutoffPerQuery cannot both be set")
		case n != nil && *n < minCutoff:
			return nil, invalidRequest("1 validation error detected: Value '%d' at 'configurationUpdates.bytesScannedCutoffPerQuery' failed to satisfy constraint: Member must have value greater than or equal to %d", *n, minCutoff)
		case n != nil:
			change.cutoff = n
		case remove:
			change.cutoff = new(int64)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed[stopKey{c.Account, c.Region, g.Name}] = change
	return struct{}{}, nil
}

func (s *Server) listWorkGroups(c Call, in request) (any, *apiError) {
	c.WorkGroup = ""
	if s.denied(c) {
		return nil, accessDenied(c)
	}
	var groups []workGroupJSON
	for _, g := range s.workGroups(c) {
		groups = append(groups, g.wire())
	}
	page, next, refused := paginate(c, in, maxPage, groups, func(g workGroupJSON) string { return g.Name })
	if refused != nil {
		return nil, refused
	}
	return struct {
		WorkGroups []workGroupJSON
		NextToken  string `json:",omitempty"`
	}{page, next}, nil
}

// paginate cuts the page that a request asks for. A token names the last item
// given, so that newer ones in front do not shift the pages, and the query
// that it belongs to: another query's token is refused.
func paginate[T any](c Call, in request, most int, all []T, name func(T) string) ([]T, string, *apiError) {
	size := most
	if in.MaxResults != nil {
		if *in.MaxResults < 0 || *in.MaxResults > most {
			return nil, "", invalidRequest("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to %d", *in.MaxResults, most)
		}
		if *in.MaxResults > 0 {
			size = *in.MaxResults
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(append([]string{c.Account, c.Region, c.Operation, c.WorkGroup}, c.IDs...), "\x00")))
	query := hex.EncodeToString(sum[:8]) + ":"

	from := 0
	if in.NextToken != nil {
		text, err := base64.RawURLEncoding.DecodeString(*in.NextToken)
		last, ours := strings.CutPrefix(string(text), query)
		at := slices.IndexFunc(all, func(item T) bool { return name(item) == last })
		if err != nil || !ours || at < 0 {
			return nil, "", invalidRequest("Invalid next token")
		}
		from = at + 1
	}
	to := min(from+size, len(all))
	page := append([]T{}, all[from:to]...)
	if to == len(all) {
		return page, "", nil
	}
	return page, base64.RawURLEncoding.EncodeToString([]byte(query + name(all[to-1]))), nil
}

package athenaapitest

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The largest MaxResults of the lists of sessions, of calculations, and of a
// notebook's sessions (API reference).
const (
	maxSparkPage    = 100
	maxNotebookPage = 50
	minTagPage      = 75
)

var (
	sessionIDPattern     = regexp.MustCompile(`^[!-~]{1,256}$`)
	calculationIDPattern = regexp.MustCompile(`^[!-~]{1,36}$`)
	resourcePattern      = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):athena:([a-z0-9-]+):([0-9]{12}):workgroup/([a-zA-Z0-9._-]{1,128})$`)
)

// kept reports whether Athena answers for what began at that time. How long it
// keeps sessions and calculations is not documented; here it is as long as
// query executions.
func (s *Server) kept(began time.Time) bool {
	now := s.config.Now()
	return !began.After(now) && now.Sub(began) <= HistoryDays*24*time.Hour
}

// session returns what the account's caller may learn of a session now.
func (s *Server) session(c Call, id *string) (Session, *apiError) {
	if id == nil || !sessionIDPattern.MatchString(*id) {
		return Session{}, invalidRequest("1 validation error detected: Value at 'sessionId' failed to satisfy constraint: Member must have length less than or equal to 256")
	}
	var found Session
	ok := false
	if s.config.Spark.Session != nil {
		found, ok = s.config.Spark.Session(c.Account, c.Region, *id)
	}
	ok = ok && s.kept(found.Status.StartedAt.Time)
	c.WorkGroup = ""
	if ok {
		c.WorkGroup = cmp.Or(found.WorkGroup, primary)
	}
	if s.denied(c) {
		return Session{}, accessDenied(c)
	}
	if !ok {
		return Session{}, resourceNotFound("Session "+*id+" does not exist", *id)
	}
	s.mu.Lock()
	at, ended := s.stopped[stopKey{c.Account, c.Region, *id}]
	s.mu.Unlock()
	if now := s.config.Now(); ended && !now.Before(at) {
		found = found.At(at)
		found.Status.State, found.Status.EndedAt, found.Status.ModifiedAt = "TERMINATED", Epoch{at}, Epoch{at}
		return found, nil
	}
	return found.At(s.config.Now()), nil
}

// ended tells whether a session has ended.
func (s Session) ended() bool { return s.Status.State == "TERMINATED" || s.Status.State == "FAILED" }

// TerminateSession ends a session that runs. What it answers for one that has
// ended is not documented; here it is the state that it has.
func (s *Server) terminateSession(c Call, in request) (any, *apiError) {
	found, refused := s.session(c, in.SessionId)
	if refused != nil {
		return nil, refused
	}
	if !found.ended() {
		s.mu.Lock()
		s.stopped[stopKey{c.Account, c.Region, found.ID}] = s.config.Now()
		s.mu.Unlock()
		found.Status.State = "TERMINATING"
	}
	return struct{ State string }{found.Status.State}, nil
}

func (s *Server) calculation(c Call, id *string) (Calculation, *apiError) {
	if id == nil || !calculationIDPattern.MatchString(*id) {
		return Calculation{}, invalidRequest("1 validation error detected: Value at 'calculationExecutionId' failed to satisfy constraint: Member must have length less than or equal to 36")
	}
	var found Calculation
	ok := false
	if s.config.Spark.Calculation != nil {
		found, ok = s.config.Spark.Calculation(c.Account, c.Region, *id)
	}
	ok = ok && s.kept(found.Status.SubmittedAt.Time)
	c.WorkGroup = ""
	if ok {
		c.WorkGroup = cmp.Or(found.WorkGroup, primary)
	}
	if s.denied(c) {
		return Calculation{}, accessDenied(c)
	}
	if !ok {
		return Calculation{}, resourceNotFound("Calculation "+*id+" does not exist", *id)
	}
	return found.At(s.config.Now()), nil
}

func (s *Server) getSession(c Call, in request) (any, *apiError) {
	found, refused := s.session(c, in.SessionId)
	if refused != nil {
		return nil, refused
	}
	return found, nil
}

func (s *Server) getSessionStatus(c Call, in request) (any, *apiError) {
	found, refused := s.session(c, in.SessionId)
	if refused != nil {
		return nil, refused
	}
	return struct {
		SessionId string
		Status    SessionStatus
	}{found.ID, found.Status}, nil
}

func (s *Server) getCalculationExecution(c Call, in request) (any, *apiError) {
	found, refused := s.calculation(c, in.CalculationExecutionId)
	if refused != nil {
		return nil, refused
	}
	return found, nil
}

// The code that ran, in clear. It is here so that a test can see that nobody
// asks for it.
func (s *Server) getCalculationExecutionCode(c Call, in request) (any, *apiError) {
	found, refused := s.calculation(c, in.CalculationExecutionId)
	if refused != nil {
		return nil, refused
	}
	return struct{ CodeBlock string }{found.Code}, nil
}

func (s *Server) listSessions(c Call, in request) (any, *apiError) {
	if _, refused := s.workGroup(c); refused != nil {
		return nil, refused
	}
	type summary struct {
		SessionId       string
		Description     string `json:",omitempty"`
		EngineVersion   *EngineVersion
		NotebookVersion string `json:",omitempty"`
		Status          SessionStatus
	}
	var all []summary
	for _, id := range ids(s.config.Spark.Sessions, c, c.WorkGroup) {
		found, refused := s.session(c, &id)
		if refused != nil || in.StateFilter != nil && *in.StateFilter != found.Status.State {
			continue
		}
		all = append(all, summary{found.ID, found.Description, &EngineVersion{found.EngineVersion, found.EngineVersion}, found.NotebookVersion, found.Status})
	}
	page, next, refused := paginate(c, in, maxSparkPage, all, func(s summary) string { return s.SessionId })
	if refused != nil {
		return nil, refused
	}
	return struct {
		Sessions  []summary
		NextToken string `json:",omitempty"`
	}{page, next}, nil
}

func (s *Server) listNotebookSessions(c Call, in request) (any, *apiError) {
	if in.NotebookId == nil || !calculationIDPattern.MatchString(*in.NotebookId) {
		return nil, invalidRequest("1 validation error detected: Value at 'notebookId' failed to satisfy constraint: Member must satisfy regular expression pattern: \\S+")
	}
	type summary struct {
		SessionId    string
		CreationTime Epoch
	}
	var all []summary
	for _, id := range ids(s.config.Spark.NotebookSessions, c, *in.NotebookId) {
		if found, refused := s.session(c, &id); refused == nil {
			all = append(all, summary{found.ID, found.Status.StartedAt})
		}
	}
	if len(all) == 0 {
		return nil, resourceNotFound("Notebook "+*in.NotebookId+" does not exist", *in.NotebookId)
	}
	page, next, refused := paginate(c, in, maxNotebookPage, all, func(s summary) string { return s.SessionId })
	if refused != nil {
		return nil, refused
	}
	return struct {
		NotebookSessionsList []summary
		NextToken            string `json:",omitempty"`
	}{page, next}, nil
}

func (s *Server) listCalculationExecutions(c Call, in request) (any, *apiError) {
	found, refused := s.session(c, in.SessionId)
	if refused != nil {
		return nil, refused
	}
	type summary struct {
		CalculationExecutionId string
		Description            string `json:",omitempty"`
		Status                 CalculationStatus
	}
	var all []summary
	for _, id := range ids(s.config.Spark.Calculations, c, found.ID) {
		x, refused := s.calculation(c, &id)
		if refused == nil && (in.StateFilter == nil || *in.StateFilter == x.Status.State) {
			all = append(all, summary{x.ID, x.Description, x.Status})
		}
	}
	page, next, refused := paginate(c, in, maxSparkPage, all, func(s summary) string { return s.CalculationExecutionId })
	if refused != nil {
		return nil, refused
	}
	return struct {
		Calculations []summary
		NextToken    string `json:",omitempty"`
	}{page, next}, nil
}

// ids returns what a list of Spark's gives, or nothing.
func ids(list func(account, region, of string) []string, c Call, of string) []string {
	if list == nil {
		return nil
	}
	return list(c.Account, c.Region, of)
}

func (s *Server) listTagsForResource(c Call, in request) (any, *apiError) {
	if in.ResourceARN == nil || len(*in.ResourceARN) > 1011 {
		return nil, invalidRequest("1 validation error detected: Value at 'resourceARN' failed to satisfy constraint: Member must not be null")
	}
	m := resourcePattern.FindStringSubmatch(*in.ResourceARN)
	if m == nil || m[2] != c.Region || partitionOf(c.Region) != m[1] {
		return nil, invalidRequest("Invalid resource ARN: %s", *in.ResourceARN)
	}
	if in.MaxResults != nil && *in.MaxResults < minTagPage {
		return nil, invalidRequest("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to %d", *in.MaxResults, minTagPage)
	}
	c.WorkGroup = m[4]
	if m[3] != c.Account || s.denied(c) {
		return nil, accessDenied(c)
	}
	known := s.config.WorkGroups == nil || slices.ContainsFunc(s.workGroups(c), func(g WorkGroup) bool { return g.Name == c.WorkGroup })
	if !known {
		return nil, resourceNotFound("WorkGroup "+c.WorkGroup+" is not found.", *in.ResourceARN)
	}
	var tags []Tag
	if s.config.Tags != nil {
		tags = s.config.Tags(c.Account, c.Region, c.WorkGroup)
	}
	most := minTagPage
	if s.config.TagsPerPage > 0 {
		most = s.config.TagsPerPage
	}
	in.MaxResults = nil
	page, next, refused := paginate(c, in, most, tags, func(t Tag) string { return t.Key })
	if refused != nil {
		return nil, refused
	}
	return struct {
		Tags      []Tag
		NextToken string `json:",omitempty"`
	}{page, next}, nil
}

func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

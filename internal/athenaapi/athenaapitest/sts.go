package athenaapitest

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Role can be assumed by callers of the server.
type Role struct {
	ARN string // arn:aws:iam::ACCOUNT:role/[PATH/]NAME

	// Trusted are the accounts whose callers may assume it; none means every
	// known caller.
	Trusted []string

	// ExternalID, unless empty, has to be sent along.
	ExternalID string
}

var (
	roleARNPattern     = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::([0-9]{12}):role/([\w+=,.@/-]*/)?([\w+=,.@-]{1,64})$`)
	sessionNamePattern = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
)

func (s *Server) serveSTS(w http.ResponseWriter, r *http.Request, body []byte) {
	key, region, refused := s.authenticate(r, body, "sts")
	if refused != nil {
		writeXMLError(w, refused)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		writeXMLError(w, &apiError{status: http.StatusBadRequest, code: "MalformedQueryString", message: err.Error()})
		return
	}
	c := Call{Service: "sts", Operation: form.Get("Action"), Account: key.Account, Region: region, PrincipalARN: key.ARN}
	if c.Operation != "GetCallerIdentity" && c.Operation != "AssumeRole" {
		writeXMLError(w, &apiError{status: http.StatusBadRequest, code: "InvalidAction", message: fmt.Sprintf("Could not find operation %s for version %s", c.Operation, form.Get("Version"))})
		return
	}
	if refused := s.admit(r, &c); refused != nil {
		writeXMLError(w, refused)
		return
	}
	if c.Operation == "GetCallerIdentity" {
		writeXML(w, http.StatusOK, callerIdentity{Namespace: stsNamespace, ARN: key.ARN, UserID: cmp.Or(key.UserID, key.ID), Account: key.Account, RequestID: w.Header().Get(requestIDHeader)})
		return
	}
	out, refused := s.assumeRole(c, key, form)
	if refused != nil {
		writeXMLError(w, refused)
		return
	}
	out.RequestID = w.Header().Get(requestIDHeader)
	writeXML(w, http.StatusOK, out)
}

type callerIdentity struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Namespace string   `xml:"xmlns,attr"`
	ARN       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

type assumedRole struct {
	XMLName    xml.Name `xml:"AssumeRoleResponse"`
	Namespace  string   `xml:"xmlns,attr"`
	RoleID     string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	ARN        string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	KeyID      string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret     string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token      string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Expiration string   `xml:"AssumeRoleResult>Credentials>Expiration"`
	RequestID  string   `xml:"ResponseMetadata>RequestId"`
}

func (s *Server) assumeRole(c Call, caller *Key, form url.Values) (*assumedRole, *apiError) {
	invalid := func(format string, args ...any) *apiError {
		return &apiError{status: http.StatusBadRequest, code: "ValidationError", message: fmt.Sprintf(format, args...)}
	}
	roleARN, session := form.Get("RoleArn"), form.Get("RoleSessionName")
	m := roleARNPattern.FindStringSubmatch(roleARN)
	if m == nil {
		return nil, invalid("%s is invalid", roleARN)
	}
	partition, account, name := m[1], m[2], m[4]
	if !sessionNamePattern.MatchString(session) {
		return nil, invalid("1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*", session)
	}
	seconds := 3600
	if text := form.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 900 || n > 43200 {
			return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
		}
		seconds = n
	}
	if caller.chained && seconds > 3600 {
		return nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	}
	i := slices.IndexFunc(s.config.Roles, func(r Role) bool { return r.ARN == roleARN })
	if i < 0 || !s.config.Roles[i].trusts(caller.Account, form.Get("ExternalId")) || s.denied(c) {
		// AWS gives one answer for a role that is not there, one that does not
		// trust the caller, and a wrong external id.
		return nil, &apiError{status: http.StatusForbidden, code: "AccessDenied", message: fmt.Sprintf(
			"User: %s is not authorized to perform: sts:AssumeRole on resource: %s", caller.ARN, roleARN)}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued++
	id := strings.ToUpper(hexSHA256([]byte(roleARN + "\x00" + strconv.Itoa(s.issued)))[:16])
	k := &Key{
		ID:      "ASIA" + id,
		Secret:  hexSHA256([]byte("secret " + id))[:40],
		Token:   "loopback-session-token-" + id,
		Account: account,
		ARN:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition, account, name, session),
		UserID:  "AROA" + strings.ToUpper(hexSHA256([]byte(roleARN))[:17]) + ":" + session,
		expires: s.config.Wall().Add(time.Duration(seconds) * time.Second),
		chained: true,
	}
	s.keys[k.ID] = k
	return &assumedRole{
		Namespace: stsNamespace, RoleID: k.UserID, ARN: k.ARN,
		KeyID: k.ID, Secret: k.Secret, Token: k.Token,
		Expiration: k.expires.UTC().Format(time.RFC3339),
	}, nil
}

func (r Role) trusts(account, externalID string) bool {
	return (len(r.Trusted) == 0 || slices.Contains(r.Trusted, account)) && (r.ExternalID == "" || r.ExternalID == externalID)
}

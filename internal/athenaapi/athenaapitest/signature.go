package athenaapitest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Key is one pair of credentials that the server knows, and whose it is.
type Key struct {
	ID     string // AKIA... or ASIA...
	Secret string
	Token  string // session token; empty for a long-lived key

	Account string
	ARN     string
	UserID  string

	expires time.Time // zero: never
	chained bool      // made by AssumeRole
}

const (
	algorithm  = "AWS4-HMAC-SHA256"
	amzDate    = "20060102T150405Z"
	clockSkew  = 15 * time.Minute
	scopeParts = 5 // key, day, region, service, aws4_request
)

// authenticate verifies the Signature Version 4 of a request (IAM User Guide,
// "Create a signed AWS API request") and returns the key that made it and the
// region of its scope. It is written out here, apart from the SDK that signs,
// so that one checks the other. A request's path is always / and its query
// empty, which is what makes the canonical request this short.
func (s *Server) authenticate(r *http.Request, body []byte, service string) (*Key, string, *apiError) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, "", &apiError{status: http.StatusForbidden, code: "MissingAuthenticationTokenException", message: "Missing Authentication Token"}
	}
	auth, err := parseAuthorization(header)
	if err != nil {
		return nil, "", &apiError{status: http.StatusForbidden, code: "IncompleteSignatureException", message: err.Error()}
	}
	key, ok := s.key(auth.key)
	if !ok || key.Token != r.Header.Get("X-Amz-Security-Token") {
		return nil, "", &apiError{status: http.StatusForbidden, code: "UnrecognizedClientException", message: "The security token included in the request is invalid."}
	}
	wrong := func(format string, args ...any) *apiError {
		return &apiError{status: http.StatusForbidden, code: "InvalidSignatureException", message: fmt.Sprintf(format, args...)}
	}
	if auth.service != service {
		return nil, "", wrong("Credential should be scoped to correct service: '%s'.", service)
	}
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(amzDate, date)
	if err != nil || !strings.HasPrefix(date, auth.day) {
		return nil, "", wrong("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.", auth.day, date)
	}
	wall := s.config.Wall()
	if off := wall.Sub(at); off > clockSkew || off < -clockSkew {
		return nil, "", wrong("Signature expired: %s is now earlier than %s (%s - 15 min.)", date, wall.Add(-clockSkew).UTC().Format(amzDate), wall.UTC().Format(amzDate))
	}
	for _, name := range []string{"host", "x-amz-date"} {
		if !slices.Contains(auth.headers, name) {
			return nil, "", wrong("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	if !hmac.Equal([]byte(auth.signature), []byte(sign(r, body, auth, date, key.Secret))) {
		return nil, "", wrong("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if !key.expires.IsZero() && !wall.Before(key.expires) {
		return nil, "", &apiError{status: http.StatusForbidden, code: "ExpiredTokenException", message: "The security token included in the request is expired"}
	}
	return key, auth.region, nil
}

type authorization struct {
	key, day, region, service string
	headers                   []string // lower case, in the order given
	signature                 string
}

func parseAuthorization(header string) (a authorization, err error) {
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		//lint:ignore ST1005 AWS's own words
		return a, fmt.Errorf("Unsupported AWS 'algorithm' in the Authorization header, '%s' is expected.", algorithm)
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != scopeParts || scope[4] != "aws4_request" {
				//lint:ignore ST1005 AWS's own words
				return a, fmt.Errorf("Credential must have exactly %d slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", scopeParts, value)
			}
			a.key, a.day, a.region, a.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			a.headers = strings.Split(value, ";")
		case "Signature":
			a.signature = value
		}
	}
	if a.key == "" || len(a.headers) == 0 || a.signature == "" {
		//lint:ignore ST1005 AWS's own words
		return a, fmt.Errorf("Authorization header requires 'Credential', 'SignedHeaders' and 'Signature' parameters.")
	}
	return a, nil
}

func sign(r *http.Request, body []byte, a authorization, date, secret string) string {
	var headers strings.Builder
	for _, name := range a.headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	canonical := strings.Join([]string{r.Method, "/", "", headers.String(), strings.Join(a.headers, ";"), hexSHA256(body)}, "\n")
	scope := strings.Join([]string{a.day, a.region, a.service, "aws4_request"}, "/")
	text := strings.Join([]string{algorithm, date, scope, hexSHA256([]byte(canonical))}, "\n")

	key := []byte("AWS4" + secret)
	for _, part := range []string{a.day, a.region, a.service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

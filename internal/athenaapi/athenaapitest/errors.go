package athenaapitest

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
)

// An apiError is a refusal under the name that AWS gives it.
type apiError struct {
	status     int
	code       string
	message    string
	athenaCode string // AthenaErrorCode, of an InvalidRequestException
	resource   string // ResourceName, of a ResourceNotFoundException
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func invalidRequest(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "InvalidRequestException", message: fmt.Sprintf(format, args...), athenaCode: "INVALID_INPUT"}
}

// resourceNotFound is what the operations of sessions, calculations, notebooks
// and tags declare, and those of query executions do not. Its words are not
// documented.
func resourceNotFound(message, name string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "ResourceNotFoundException", message: message, resource: name}
}

func notFound(id string) *apiError {
	return invalidRequest("QueryExecution %s was not found", id)
}

var errThrottled = &apiError{status: http.StatusBadRequest, code: "ThrottlingException", message: "Rate exceeded"}

// accessDenied has the status 400 that JSON services answer with; the API
// reference says 403. A client that looks at the name gets both right.
func accessDenied(c Call) *apiError {
	resource := "*"
	if c.WorkGroup != "" {
		resource = "arn:aws:athena:" + c.Region + ":" + c.Account + ":workgroup/" + c.WorkGroup
	}
	return &apiError{status: http.StatusBadRequest, code: "AccessDeniedException", message: fmt.Sprintf(
		"User: %s is not authorized to perform: athena:%s on resource: %s because no identity-based policy allows the athena:%[2]s action",
		c.PrincipalARN, c.Operation, resource)}
}

// The same refusal has another name in the query protocol (STS) than in JSON.
var queryNames = map[string]string{
	"MissingAuthenticationTokenException": "MissingAuthenticationToken",
	"UnrecognizedClientException":         "InvalidClientTokenId",
	"InvalidSignatureException":           "SignatureDoesNotMatch",
	"IncompleteSignatureException":        "IncompleteSignature",
	"ExpiredTokenException":               "ExpiredToken",
	"ThrottlingException":                 "Throttling",
}

func writeJSONError(w http.ResponseWriter, e *apiError) {
	body := map[string]string{"__type": e.code}
	// Athena's own errors spell it Message, those of the front end message.
	switch {
	case e.athenaCode != "":
		body["AthenaErrorCode"], body["Message"] = e.athenaCode, e.message
	case e.resource != "":
		body["ResourceName"], body["Message"] = e.resource, e.message
	default:
		body["message"] = e.message
	}
	w.Header().Set("x-amzn-ErrorType", e.code)
	writeJSON(w, e.status, body)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(status)
	w.Write(b)
}

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type xmlError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func writeXMLError(w http.ResponseWriter, e *apiError) {
	code, kind := e.code, "Sender"
	if name, ok := queryNames[code]; ok {
		code = name
	}
	if e.status >= 500 {
		kind = "Receiver"
	}
	writeXML(w, e.status, xmlError{Namespace: stsNamespace, Type: kind, Code: code, Message: e.message, RequestID: w.Header().Get(requestIDHeader)})
}

func writeXML(w http.ResponseWriter, status int, v any) {
	b, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	w.Write(b)
}

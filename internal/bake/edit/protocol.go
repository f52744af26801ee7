package edit

import (
	"context"
	"encoding/json"
	"runtime/debug"

	"github.com/winbake/packer-plugin-winbake/internal/fault"
	"github.com/winbake/packer-plugin-winbake/internal/tree"
)

// Commands that winbake's provisioners give to a communicator. To an image they are requests; on a
// machine they are programs that do not exist.
const (
	// HelloCommand asks whether there is an image at the other end. It takes nothing and answers
	// Hello.
	HelloCommand = "winbake-hello"
	// Command changes the image: a Request on standard input, a Reply on standard output.
	Command = "winbake-edit"
)

// Hello is the answer to HelloCommand. It changes with the form of requests and replies.
const Hello = "winbake edits 1"

// Request is what Command takes, as JSON.
type Request struct {
	Items []Item `json:"items"`
}

// Reply is what Command answers, as JSON.
type Reply struct {
	// Notes are sentences for the person at the terminal.
	Notes []string `json:"notes,omitempty"`
}

// gcPercent is how much garbage may stand beside what is alive while a request is answered, in percent
// of that: a hive is most of it, and marking that costs the collector nothing.
const gcPercent = 25

// Serve answers a request in its JSON form.
func Serve(ctx context.Context, t *tree.Tree, store Store, request []byte) ([]byte, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	var r Request
	if err := json.Unmarshal(request, &r); err != nil {
		return nil, fault.In("request of the provisioner", err)
	}
	notes, err := Apply(ctx, t, store, r.Items)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Reply{notes})
}

// What cyclonus says that NetworkPolicies let through: reads policies and connections from standard input as JSON and writes
// one answer a connection to standard output, in their order.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	networking "k8s.io/api/networking/v1"
)

// What is asked.
type order struct {
	Policies    []*networking.NetworkPolicy `json:"policies"`
	Connections []*matcher.Traffic          `json:"connections"`
}

// Whether the policies of the source let a connection out, and those of the destination let it in.
type answer struct {
	Out bool `json:"out"`
	In  bool `json:"in"`
}

func main() {
	var asked order
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		fmt.Fprintln(os.Stderr, "not an order of policies and connections:", err)
		os.Exit(1)
	}
	policy := matcher.BuildNetworkPolicies(false, asked.Policies)
	answers := make([]answer, len(asked.Connections))
	for i, connection := range asked.Connections {
		result := policy.IsTrafficAllowed(connection)
		answers[i] = answer{Out: result.Egress.IsAllowed(), In: result.Ingress.IsAllowed()}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// The blobs of the model registry as plain files: what the registry redirects to. `ollama pull` follows a blob only to
// another host than the registry's, as the public one has it.
//
//	blobs ADDRESS FOLDER
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "blobs: wrong arguments: call it as `blobs ADDRESS FOLDER`")
		os.Exit(2)
	}
	server := &http.Server{
		Addr:              os.Args[1],
		Handler:           http.FileServer(http.Dir(os.Args[2])),
		ReadHeaderTimeout: 10 * time.Second,
	}
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

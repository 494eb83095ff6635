// The scenario of generated clients, in Go: create, walk by cursor, change under If-Match, two refusals, a batch.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"

	"scenario/client"
)

func must[T any](value T, response any, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func refused(code string, details []string, err error) {
	var failure *client.GenericOpenAPIError
	var told client.ErrorAnswer
	if !errors.As(err, &failure) || json.Unmarshal(failure.Body(), &told) != nil || told.Code != code {
		log.Fatalf("wanted %s, found %v", code, err)
	}
	var found []string
	for _, detail := range told.Details {
		found = append(found, detail.Path+" "+detail.Code)
	}
	if !slices.Equal(found, details) {
		log.Fatalf("wanted %v, found %v", details, found)
	}
}

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Getenv("E2E_SQLITE_URL")}}
	api := client.NewAPIClient(configuration)
	markets := api.MarketsAPI
	keys := map[string]client.APIKey{"apiKey": {Key: os.Getenv("E2E_KEY")}}
	ctx := context.WithValue(context.Background(), client.ContextAPIKeys, keys)

	var made client.MarketCreatedData
	for number := range 3 {
		body := client.NewMarketCreateBody(fmt.Sprintf("go-%d", number), fmt.Sprintf("Gopher asks %d", number))
		body.SetVolume("1.5")
		body.SetTags([]string{"go"})
		made = must(markets.CreateMarket(ctx).MarketCreateBody(*body).Execute()).Data
		if made.Volume != "1.5000" || made.Version != 1 || made.ClosesAt.Get() != nil {
			log.Fatal(made)
		}
	}

	var found []string
	request := markets.ListMarkets(ctx).TitleStartswith("Gopher").Sort([]string{"-title"}).Limit(2)
	for {
		page := must(request.Execute())
		for _, market := range page.Data {
			found = append(found, market.GetSlug())
		}
		if !page.Meta.HasMore {
			break
		}
		request = request.Cursor(page.Meta.GetNextCursor())
	}
	if !slices.Equal(found, []string{"go-2", "go-1", "go-0"}) {
		log.Fatal(found)
	}

	_, response, err := markets.GetMarket(ctx, made.Id).Execute()
	if err != nil {
		log.Fatal(err)
	}
	etag := response.Header.Get("ETag")
	patch := client.NewMarketPatch()
	patch.SetStatus("closed")
	changed := must(markets.UpdateMarket(ctx, made.Id).IfMatch(etag).MarketPatch(*patch).Execute())
	if changed.Data.Version != 2 {
		log.Fatal(changed)
	}
	_, _, err = markets.UpdateMarket(ctx, made.Id).IfMatch(etag).MarketPatch(*patch).Execute()
	refused("PRECONDITION_FAILED", nil, err)
	again := client.NewMarketCreateBody("go-0", "Gopher again")
	_, _, err = markets.CreateMarket(ctx).MarketCreateBody(*again).Execute()
	refused("CONFLICT", []string{"/slug taken"}, err)

	first := client.NewBatchOperation("markets", "create")
	first.SetData(map[string]any{"title": "Gopher in a batch", "slug": "go-3"})
	second := client.NewBatchOperation("markets", "update")
	second.SetId("$0.id")
	second.SetData(map[string]any{"status": "closed"})
	third := client.NewBatchOperation("markets", "delete")
	third.SetId(made.Id)
	third.SetVersion(2)
	run := func(operations ...client.BatchOperation) (*client.BatchAnswer, *http.Response, error) {
		return api.BatchAPI.RunBatch(ctx).BatchBody(*client.NewBatchBody(operations)).Execute()
	}
	results := must(run(*first, *second, *third)).Data.Results
	if results[0].Status != 201 || results[1].Data["status"] != "closed" || results[2].Status != 204 {
		log.Fatal(results)
	}
	_, _, err = run(*third)
	refused("PRECONDITION_FAILED", []string{"/operations/0 precondition_failed"}, err)
}

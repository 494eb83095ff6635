// Shows the document of the server that this page is from. A key that was typed is kept in the browser.
SwaggerUIBundle({ url: '../openapi.json', dom_id: '#swagger-ui', deepLinking: true, persistAuthorization: true });
